"""All settings of the platform: one frozen object, read from ``HKI_…`` variables and ``.env``.

Every default is embedded (no server needed) and safe (loopback only). A real server is one variable
away; see ``.env.example``, which a test holds equal to this file.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from hki_ml.errors import SettingsError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BusSettings(_Section):
    """Where events travel."""

    kafka_bootstrap: str | None = Field(
        None, description="host:port of Kafka; unset: a durable log on disk under HKI_HOME/bus"
    )
    topic: str = Field("hki.events", description="Kafka topic, or folder name of the local log")


class LakeSettings(_Section):
    """Where tables rest."""

    url: str | None = Field(
        None, description="s3://bucket/prefix of the lake; unset: Delta tables under HKI_HOME/lake"
    )
    s3_endpoint: str | None = Field(
        None, description="URL of an S3-compatible server; unset: AWS itself"
    )
    s3_access_key: SecretStr | None = Field(None, description="access key of the lake's bucket")
    s3_secret_key: SecretStr | None = Field(None, description="secret key of the lake's bucket")
    s3_region: str = Field("us-east-1", description="region of the lake's bucket")


class FeatureSettings(_Section):
    """Where features are declared and served from."""

    repository: Path = Field(
        Path("features"), description="folder of the Feast repository: entities, views, services"
    )
    redis_url: str | None = Field(
        None, description="host:port of Redis (Feast online store); unset: SQLite under HKI_HOME"
    )
    registry_url: str | None = Field(
        None, description="SQLAlchemy URL of Feast's registry; unset: a file under HKI_HOME"
    )


class RegistrySettings(_Section):
    """Where runs and models are recorded."""

    mlflow_url: str | None = Field(
        None, description="URL of an MLflow server; unset: SQLite and a folder under HKI_HOME"
    )


class ServingSettings(_Section):
    """How answers are given."""

    host: str = Field("127.0.0.1", description="address the gateway listens on")
    port: int = Field(3000, ge=1, le=65535, description="port the gateway listens on")
    embed_runners: bool = Field(
        default=True,
        description="run the model services inside the gateway; false: a process each",
    )
    reload_seconds: float = Field(
        2.0, gt=0, description="how often the champion alias is looked up for a new version"
    )
    body_max_bytes: int = Field(262_144, gt=0, description="largest request body that is read")


class PlatformSettings(_Section):
    """How the parts run beside one another on one machine (`hki platform`)."""

    prefect_port: int = Field(4200, ge=1, le=65535, description="loopback port of Prefect's server")
    prefect_database: SecretStr | None = Field(
        None,
        description="postgresql+asyncpg://… of Prefect's server; unset: SQLite under HKI_HOME/prefect",
    )
    mlflow_port: int = Field(5000, ge=1, le=65535, description="loopback port of MLflow's server")
    mlflow_database: SecretStr | None = Field(
        None,
        description="postgresql+psycopg://… of MLflow's server; unset: SQLite under HKI_HOME/mlflow",
    )
    worker_seconds: float = Field(
        2.0, gt=0, description="how often the worker asks for runs that are due"
    )
    serve: bool = Field(default=True, description="serve the champions as well")


class LoopSettings(_Section):
    """When the platform learns again, and what it keeps."""

    cool_down_hours: float = Field(
        24.0,
        ge=0,
        description="how long after a training no drift starts another of the same model",
    )
    grace_seconds: float = Field(
        120.0, ge=0, description="how long an event has to start its run before the reconciler does"
    )
    silent_seconds: float = Field(
        300.0, gt=0, description="a run that says nothing for so long is taken for dead"
    )
    keep_checks_days: int = Field(730, ge=1, description="how long checks of the monitor are kept")
    keep_quarantine_days: int = Field(
        365, ge=1, description="how long rows that were refused can be mended and replayed"
    )
    keep_reports_days: int = Field(365, ge=1, description="how long reports on drift are kept")
    keep_answers_days: int = Field(
        1095, ge=1, description="how long what was answered in bulk can be looked up"
    )


class MoneySettings(_Section):
    """What deals bring and calls cost: terms of the business, used wherever decisions are valued."""

    profit_rate: float = Field(
        0.05, gt=0, le=1, description="profit of a deal that closes, as a share of the home's value"
    )
    usual_value_usd: float = Field(
        300_000.0, gt=0, description="taken where neither value nor asking price of a home is known"
    )
    minutes_per_call: float = Field(
        12.0, gt=0, description="length of a call, with what is written down after it"
    )
    cost_per_minute_usd: float = Field(0.75, ge=0, description="cost of a caller")

    @property
    def cost_of_call_usd(self) -> float:
        """What one call costs."""
        return self.minutes_per_call * self.cost_per_minute_usd


class AlertSettings(_Section):
    """Where alerts go."""

    webhook_url: str | None = Field(
        None, description="https://… that takes alerts as Standard Webhooks; unset: the log alone"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="whsec_… that signs alerts (base64 after the prefix)"
    )
    repeat_hours: float = Field(
        24.0, gt=0, description="an alert of the same key within so long is counted, not sent again"
    )
    timeout_seconds: float = Field(5.0, gt=0, description="how long the receiver may take")


class Settings(BaseSettings):
    """The whole platform's settings; built once at a door and passed down.

    Examples
    --------
    >>> Settings(home="/tmp/hki").lake_path.as_posix()
    '/tmp/hki/lake'
    """

    model_config = SettingsConfigDict(
        env_prefix="HKI_",
        env_nested_delimiter="__",
        env_file=".env",
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(Path(".hki"), description="folder of everything embedded")
    real_data: Path = Field(
        Path("../shared/data"),
        description="folder of public data sets for tests and benchmarks; skipped where missing",
    )
    threads: int = Field(2, ge=1, description="threads a training run may use")
    bus: BusSettings = BusSettings()
    lake: LakeSettings = LakeSettings()
    features: FeatureSettings = FeatureSettings()
    registry: RegistrySettings = RegistrySettings()
    serving: ServingSettings = ServingSettings()
    platform: PlatformSettings = PlatformSettings()
    loop: LoopSettings = LoopSettings()
    money: MoneySettings = MoneySettings()
    alerts: AlertSettings = AlertSettings()

    @property
    def lake_path(self) -> Path:
        """Folder of the embedded lake."""
        return self.home / "lake"

    @property
    def bus_path(self) -> Path:
        """Folder of the embedded bus."""
        return self.home / "bus"

    @property
    def feast_path(self) -> Path:
        """Folder of Feast's embedded registry and online store."""
        return self.home / "feast"

    @property
    def mlflow_path(self) -> Path:
        """Folder of MLflow's embedded database and artifacts."""
        return self.home / "mlflow"

    @property
    def jobs_path(self) -> Path:
        """Folder of files of questions and their answers, a folder a job."""
        return (self.home / "jobs").absolute()

    @property
    def reports_path(self) -> Path:
        """Folder of reports for people: drift, reviews."""
        return (self.home / "reports").absolute()

    @property
    def alerts_path(self) -> Path:
        """File (SQLite) of every alert, sent or not."""
        return self.home / "alerts.db"

    @property
    def model_cache_path(self) -> Path:
        """Folder of the last good models, used when the registry does not answer."""
        return self.home / "models"


def load_settings() -> Settings:
    """Return the settings of this process, or say which variable is wrong.

    Raises
    ------
    SettingsError
        If a variable does not parse; the message names it and what was expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = (
            f"HKI_{'__'.join(str(part) for part in issue['loc']).upper()}: "
            f"{issue['msg']}, got {issue['input']!r}"
            for issue in error.errors(include_url=False)
        )
        raise SettingsError("; ".join(lines)) from error
