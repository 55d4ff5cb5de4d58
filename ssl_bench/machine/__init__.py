"""The machine: files that survive a kill, locks, devices, signals, and how processes are started."""
