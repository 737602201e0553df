"""`sortal up`: Prefect's server, a worker, the deployments and the reports, on this machine."""
