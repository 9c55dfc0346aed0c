"""The part of the configuration of JupyterHub that gives each user a notebook server with nbexec."""

c = get_config()  # noqa: F821

# JupyterHub starts JupyterLab otherwise, whose pages nbexec has nothing to do with.
c.Spawner.environment = {"JUPYTERHUB_SINGLEUSER_APP": "notebook"}
c.Spawner.default_url = "/tree"

# Limits for each server; /metrics is for who has a token.
c.Spawner.args = ["--NbExec.max_running=2", "--NbExec.cell_timeout=3600", "--NotebookApp.authenticate_prometheus=True"]

# A service that may run notebooks on the servers of all users. Make the token by: openssl rand -hex 32 > nightly.token
c.JupyterHub.services = [{"name": "nightly", "api_token": open("nightly.token").read().strip()}]
c.JupyterHub.load_roles = [{
    "name": "nightly",
    "services": ["nightly"],
    "scopes": ["access:servers", "servers", "read:users:name"],
}]
