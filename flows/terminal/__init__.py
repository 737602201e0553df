"""What people see in a terminal: tables, files of rows, progress of runs, log lines."""
