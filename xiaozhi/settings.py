"""Everything that can be set from outside. Read by `server.py` and `__main__.py` only.

A setting has one name: `--model-url` on the command line, XIAOZHI_MODEL_URL in the environment,
`model_url` in xiaozhi.toml. The first of these that has it wins; then OpenAI's own names for some,
in the environment and in .streamlit/secrets.toml (where the tutorial had them); then the default.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from xiaozhi import endpoint_address, host_names
from xiaozhi.errors import CannotStart, Sentence

CONFIG_FILE = "xiaozhi.toml"
SECRETS = (Path(".streamlit/secrets.toml"), Path("~/.streamlit/secrets.toml"))
POSTGRES = ("postgresql://", "postgres://")
SQLITE = "sqlite:///"
OPENAIS_URL = "https://api.openai.com/v1"
# A byte order mark, and spaces without width that come along when a key is copied from a page
INVISIBLE = "\ufeff\u200b\u2060"

# Read from a secrets file too, under these names
OPENAI_NAMES = {
    "openai_api_key": "OPENAI_API_KEY",
    "model_url": "OPENAI_BASE_URL",
    "openai_assistant_id": "OPENAI_ASSISTANT_ID",
}


def _data_folder() -> Path:
    """As it is written: a validator puts the home folder in its place."""
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "xiaozhi"


def _also(name: str) -> AliasChoices:
    return AliasChoices(f"XIAOZHI_{name}".upper(), OPENAI_NAMES[name])


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="XIAOZHI_",
        populate_by_name=True,
        extra="forbid",
        env_ignore_empty=True,
        validate_default=True,
    )

    host: str = Field("127.0.0.1", description="where to listen; 0.0.0.0 for every network")
    port: int = Field(8501, ge=0, le=65535, description="the port; 0 takes a free one")
    allowed_hosts: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="names that this server is reached by, for one behind a proxy or on a network: "
        "assistant.example.com,*.example.org (default: localhost, loopback addresses and --host)",
    )
    data: Path = Field(
        default_factory=_data_folder, description="the folder of everything that is kept"
    )
    database: SecretStr | None = Field(
        None,
        description="postgresql://… to keep everything in Postgres, sqlite:///… for another file "
        "(default: xiaozhi.db in the data folder)",
    )
    model: str | None = Field(
        None,
        description="the default model: a name, the path of a .gguf file, or "
        "hf:owner/repo/file.gguf (default: the endpoint's, else the built-in one)",
    )
    model_url: str | None = Field(
        None,
        validation_alias=_also("model_url"),
        description="the address of an OpenAI-compatible endpoint "
        "(default: OpenAI's if a key is set)",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=OPENAI_NAMES["openai_api_key"],
        description="the endpoint's key",
        json_schema_extra={"flag": False},
    )
    model_proxy: SecretStr | None = Field(
        None,
        description="http://… of a proxy through which model endpoints are asked that are not on "
        "this machine (default: none; HTTP_PROXY and HTTPS_PROXY are not looked at)",
    )
    openai_assistant_id: str | None = Field(
        None,
        validation_alias=OPENAI_NAMES["openai_assistant_id"],
        description="the assistant that the page talks to",
        json_schema_extra={"flag": False},
    )
    ollama_url: str = Field(
        "http://127.0.0.1:11434/v1",
        description="where an Ollama is looked for; its models are offered beside the others",
    )
    api_key: SecretStr | None = Field(
        None,
        description="a key for /v1 (default: made at the first start, kept in the data folder)",
        json_schema_extra={"flag": False},
    )
    ui: bool = Field(True, description="without the page: the API only")
    run_expires_after: int = Field(
        600,
        ge=1,
        description="seconds until a run that has not ended expires",
        json_schema_extra={"flag": False},
    )
    concurrent_runs: int = Field(
        256,
        ge=1,
        description="runs that are executed at a time; more wait, the status `queued`",
        json_schema_extra={"flag": False},
    )
    concurrent_runs_per_model: int = Field(
        0,
        ge=0,
        description="of those, by one model; 0: as many as there are",
        json_schema_extra={"flag": False},
    )
    queued_runs: int = Field(
        1000,
        ge=0,
        description="runs that may wait; then creating one is answered with 429",
        json_schema_extra={"flag": False},
    )
    stop_within: int = Field(
        10,
        ge=0,
        description="seconds that runs and streams have to end when the server is stopped",
        json_schema_extra={"flag": False},
    )
    messages_wait: bool = Field(
        False,
        description="messages that are posted while a run is active wait for its end",
        json_schema_extra={"flag": False},
    )

    log_format: Literal["json", "text"] | None = Field(
        None, description="json or text (default: json with serve, text with start)"
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        None,
        description="debug, info, warning or error (default: info with serve, warning with start)",
    )
    metrics: Literal["key", "open"] = Field(
        "key",
        description="whether /metrics asks for the API's key",
        json_schema_extra={"flag": False},
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            _ConfigFile(settings_cls),
            _SecretsFile(settings_cls),
        )

    @field_validator("*", mode="before")
    @classmethod
    def _read_as_files_write_it(cls, value: object) -> object:
        """Without the line end and the quotes that a file of variables leaves around a value."""
        if not isinstance(value, str):
            return value
        value = value.strip().strip(INVISIBLE)
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        return value[1:-1] if is_quoted else value

    @field_validator("data")
    @classmethod
    def _home_is_known(cls, value: Path) -> Path:
        return _expanded(value)

    @field_validator("api_key")
    @classmethod
    def _key_can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value else ""
        if not key.isascii() or not key.isprintable():
            raise ValueError("it must be one line of ASCII characters")
        return SecretStr(key) if key else None

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _hosts_are_names(cls, value: object) -> frozenset[str]:
        """A list, or one string of names with commas or spaces between them."""
        names = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(names, list | tuple | set | frozenset):
            raise ValueError("it must be a list of names")
        return frozenset(host_names.pattern(str(name)) for name in cast("list[object]", names))

    @field_validator("model_url", "ollama_url")
    @classmethod
    def _endpoint_has_an_address(cls, value: str | None) -> str | None:
        if value and (value := value.strip()):
            endpoint_address.split(value)
        return value

    @field_validator("model_proxy")
    @classmethod
    def _proxy_has_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not (address := value.get_secret_value().strip()):
            return None
        endpoint_address.split(address)
        return SecretStr(address)

    @field_validator("openai_api_key")
    @classmethod
    def _key_is_one_line(cls, value: SecretStr | None) -> SecretStr | None:
        key = endpoint_address.clean_key(value.get_secret_value()) if value else None
        return SecretStr(key) if key else None

    @field_validator("database")
    @classmethod
    def _database_is_known(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith((*POSTGRES, SQLITE)):
            raise ValueError("it must begin with postgresql:// or sqlite:///")
        if value and not value.get_secret_value().isprintable():
            raise ValueError("it must be one line")
        if value and ":memory:" in value.get_secret_value():
            raise ValueError("a database in memory keeps nothing")
        return value

    def postgres(self) -> str | None:
        """The address of the Postgres to be used; None for SQLite."""
        address = self._address()
        return address if address.startswith(POSTGRES) else None

    def sqlite(self) -> Path:
        """The database file, where SQLite is used."""
        path = self._address().removeprefix(SQLITE)
        return _expanded(Path(path)) if path else self.data / "xiaozhi.db"

    def _address(self) -> str:
        return self.database.get_secret_value() if self.database else ""

    def endpoint(self) -> str | None:
        """The model endpoint's address; None where none is set."""
        return self.model_url or (OPENAIS_URL if self.openai_api_key else None)


class _TomlFile(PydanticBaseSettingsSource):
    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # all fields come at once, from __call__

    def read(self, path: Path, *, must_exist: bool) -> dict[str, Any]:
        """Nothing where there is no file, and need not be one. Raises CannotStart."""
        try:
            # An editor may have put a byte order mark before it.
            return tomllib.loads(path.read_text("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise CannotStart(
                "{path} is not valid TOML: {words}.",
                "Correct that line, or delete the file.",
                path=path,
                words=error if isinstance(error, ValueError) else "it is nested too deep",
            ) from error
        except OSError as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError) and not must_exist:
                return {}
            raise CannotStart(
                "{path} cannot be read: {words}.", path=path, words=error.strerror
            ) from error


class _ConfigFile(_TomlFile):
    def __call__(self) -> dict[str, Any]:
        named = os.environ.get("XIAOZHI_CONFIG")
        return self.read(Path(named or CONFIG_FILE), must_exist=bool(named))


class _SecretsFile(_TomlFile):
    """Other keys in it are the page's business, and nobody else's."""

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in reversed(SECRETS):
            try:
                file = path.expanduser()
            except RuntimeError:  # this user has no home folder
                continue
            found |= self.read(file, must_exist=False)
        return {field: found[name] for field, name in OPENAI_NAMES.items() if found.get(name)}


def load(flags: dict[str, Any]) -> Settings:
    """Raises CannotStart where a value cannot be right, or a file cannot be read."""
    try:
        chosen = Settings(**flags)
        chosen.sqlite()
    except ValidationError as error:
        found = error.errors()[0]
        name = ".".join(str(part) for part in found["loc"])
        raise CannotStart(
            "The setting '{name}' cannot be right: {words}.", name=name, words=_reason(found)
        ) from error
    except ValueError as error:
        raise CannotStart(
            "The setting '{name}' cannot be right: {words}.",
            name="database",
            words=Sentence(str(error)),
        ) from error
    return chosen


def _expanded(path: Path) -> Path:
    """Raises ValueError."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("the home folder in it is not known") from error


def _reason(error: Any) -> Sentence:
    """Pydantic's, in words of ours that can be translated. Never the value: it may be a secret."""
    limits = {"least": error.get("ctx", {}).get("ge"), "most": error.get("ctx", {}).get("le")}
    match error["type"]:
        case "value_error":
            return Sentence(str(error["ctx"]["error"]))
        case "extra_forbidden":
            return Sentence("there is no such setting")
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return Sentence("it must be a whole number")
        case "bool_parsing" | "bool_type":
            return Sentence("it must be true or false")
        case "greater_than_equal":
            return Sentence("it must be at least {least}", **limits)
        case "less_than_equal":
            return Sentence("it must be at most {most}", **limits)
        case "literal_error":
            return Sentence("it must be one of {values}", values=error["ctx"]["expected"])
        case "string_type" | "path_type":
            return Sentence("it must be a text")
        case _:
            return Sentence("{words}", words=error["msg"])
