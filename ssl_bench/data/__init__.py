"""Images that are files: layouts of folders, label splits, and everything there is to know before training."""
