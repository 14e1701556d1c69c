"""The addresses of Microsoft's clouds."""

from typing import NamedTuple

from domain.tenancy.providers import Cloud


class Endpoints(NamedTuple):
    """Where an app signs in, and the Graph that it then reads; both without a slash at the end."""

    authority: str
    graph: str


# https://learn.microsoft.com/graph/deployments
CLOUDS = {
    Cloud.GLOBAL: Endpoints("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    Cloud.US_GOVERNMENT: Endpoints(
        "https://login.microsoftonline.us", "https://graph.microsoft.us"
    ),
    Cloud.CHINA: Endpoints(
        "https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"
    ),
}
