"""Who asks a plugin, and for which of its instances: what it gets with every call."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from framecast.plugins.schema import pluginv2_pb2 as schema


@dataclass(frozen=True, slots=True)
class User:
    """On whose behalf a plugin is asked."""

    login: str
    name: str = ""
    email: str = ""
    role: str = "Viewer"


@dataclass(frozen=True, slots=True)
class DataSourceInstance:
    """A data source's settings, its secrets in the clear: never logged, hence without a `repr` of them."""

    uid: str
    name: str = ""
    url: str = ""
    user: str = ""
    database: str = ""
    basic_auth: bool = False
    basic_auth_user: str = ""
    json_data: bytes = b"{}"
    secure_json_data: Mapping[str, str] = field(default_factory=dict, repr=False)
    updated_ms: int = 0
    """When they last changed: the SDK makes a new instance of the plugin's then, and only then."""

    id: int = 0


@dataclass(frozen=True, slots=True)
class AppInstance:
    """An app plugin's settings."""

    json_data: bytes = b"{}"
    secure_json_data: Mapping[str, str] = field(default_factory=dict, repr=False)
    updated_ms: int = 0


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a plugin is told besides the request itself."""

    org_id: int = 1
    user: User | None = None
    """None where the server asks by itself."""

    data_source: DataSourceInstance | None = None
    app: AppInstance | None = None
    grafana_config: Mapping[str, str] = field(default_factory=dict)


def spell_context(context: CallContext, *, plugin_id: str, plugin_version: str) -> schema.PluginContext:
    """The context as it goes to the plugin of this id."""
    spelled = schema.PluginContext(
        org_id=context.org_id,
        plugin_id=plugin_id,
        plugin_version=plugin_version,
        grafana_config=context.grafana_config,
        namespace="default" if context.org_id == 1 else f"org-{context.org_id}",
    )
    if context.user is not None:
        user = context.user
        spelled.user.CopyFrom(schema.User(login=user.login, name=user.name, email=user.email, role=user.role))
    if context.data_source is not None:
        source = context.data_source
        spelled.data_source_instance_settings.CopyFrom(
            schema.DataSourceInstanceSettings(
                id=source.id,
                uid=source.uid,
                name=source.name,
                url=source.url,
                user=source.user,
                database=source.database,
                basic_auth_enabled=source.basic_auth,
                basic_auth_user=source.basic_auth_user,
                json_data=source.json_data,
                decrypted_secure_json_data=source.secure_json_data,
                last_updated_ms=source.updated_ms,
            )
        )
    if context.app is not None:
        spelled.app_instance_settings.CopyFrom(
            schema.AppInstanceSettings(
                json_data=context.app.json_data,
                decrypted_secure_json_data=context.app.secure_json_data,
                last_updated_ms=context.app.updated_ms,
            )
        )
    return spelled
