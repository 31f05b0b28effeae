"""Envoy's resources as values: clusters, endpoints, routes, listeners, bootstrap. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clearway.deploy.ports import Route

TYPE = "type.googleapis.com/envoy."
CONNECTIONS = TYPE + "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
Json = dict[str, Any]


def watched(folder: Path, name: str) -> Json:
    """A file that Envoy reads, and reads again when it is replaced."""
    return {
        "path_config_source": {"path": str(folder / name), "watched_directory": {"path": str(folder)}},
        "resource_api_version": "V3",
    }


def bootstrap(folder: Path, admin: str) -> Json:
    """What Envoy starts with; all else comes by files. `admin`: a socket that only its owner may open."""
    return {
        "node": {"id": "clearway", "cluster": "clearway"},
        "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}},
        "dynamic_resources": {
            "cds_config": watched(folder, "cds.json"),
            "lds_config": watched(folder, "lds.json"),
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": CONNECTIONS,
                        "max_active_downstream_connections": 10000,
                    },
                }
            ]
        },
    }


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(group: str, folder: Path) -> Json:
    """A group of instances, whose endpoints come from a file of their own."""
    return {
        "@type": TYPE + "config.cluster.v3.Cluster",
        "name": group,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"service_name": group, "eds_config": watched(folder, endpoints_file(group))},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {
            "thresholds": [{"max_connections": 4096, "max_requests": 8192, "max_retries": 64}]
        },
    }


def endpoints_file(group: str) -> str:
    """The file that holds a group's endpoints."""
    return f"eds-{group}.json"


def routes_file(port: int) -> str:
    """The file that holds a listener's routes."""
    return f"rds-{port}.json"


def endpoints(group: str, ports: Sequence[int], leaving: Sequence[int] = ()) -> Json:
    """Where a group's instances listen; those that leave end what they have and get nothing new."""
    found: list[Json] = [{"endpoint": {"address": _address(port)}} for port in sorted(ports)]
    found += [
        {"endpoint": {"address": _address(port)}, "health_status": "DRAINING"} for port in sorted(leaving)
    ]
    return {
        "@type": TYPE + "config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": group,
        "endpoints": [{"lb_endpoints": found}],
    }


def route_configuration(route: Route) -> Json:
    """Weights, and retries of requests that no instance has seen."""
    return {
        "@type": TYPE + "config.route.v3.RouteConfiguration",
        "name": str(route.port),
        "virtual_hosts": [
            {"name": route.name, "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **_action(route)}]}
        ],
    }


def _action(route: Route) -> Json:
    if not route.weights:
        text = f"no version of {route.name} serves now\n"
        return {"direct_response": {"status": 503, "body": {"inline_string": text}}}
    return {
        "route": {
            "weighted_clusters": {"clusters": weights_of(route.weights)},
            "timeout": "0s",
            "retry_policy": {
                # Only what never reached an instance is sent again; anything else might be done twice.
                "retry_on": "connect-failure,refused-stream,reset-before-request",
                "num_retries": 3,
                "retry_host_predicate": [
                    {
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": {
                            "@type": TYPE + "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                        },
                    }
                ],
                "host_selection_retry_max_attempts": 3,
            },
        }
    }


def weights_of(weights: Mapping[str, int]) -> list[Json]:
    """Weighted clusters in a fixed order."""
    return [{"name": group, "weight": weight} for group, weight in sorted(weights.items()) if weight]


def listener(route: Route, folder: Path) -> Json:
    """One loopback port for one service in one environment."""
    manager = {
        "@type": TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"listener_{route.port}",
        "rds": {
            "route_config_name": str(route.port),
            "config_source": watched(folder, routes_file(route.port)),
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": TYPE + "extensions.filters.http.router.v3.Router"},
            }
        ],
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        # A service decides itself what %2F (scoped packages, objects' keys) and underscores mean.
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "headers_with_underscores_action": "ALLOW",
        },
        "request_headers_timeout": "10s",
    }
    return {
        "@type": TYPE + "config.listener.v3.Listener",
        "name": route.name,
        "address": _address(route.port),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
