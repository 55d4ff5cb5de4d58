"""What plugins provide: entry points and single files to one frozen registry."""
