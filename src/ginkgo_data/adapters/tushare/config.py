# Upstream: adapters.tushare.client, entrypoints.data_sections
# Downstream: adapters.tushare.apis, domain.model.errors, pydantic
# Role: Settings of the Tushare family, with the token kept secret
"""How to reach Tushare and what its account may do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from ginkgo_data.adapters.tushare.apis import Api
from ginkgo_data.domain.model.errors import ConfigurationError


class TushareConfig(BaseModel):
    """Section `sources.tushare`. The token never shows in `repr`, in an error or in a log.

    Nothing is reached before a client is opened; only then an empty address or token is an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    base_url: str = ""
    """Address that requests are posted to; ``{api_name}`` in it is replaced by the name of the api."""
    token: SecretStr = SecretStr("")
    """The account's token."""
    calls_per_minute: int = Field(default=200, ge=1, le=1_000_000)
    """The account's quota per api and minute; a smaller one that the vendor names is believed."""
    timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds for one HTTP call, from connecting to the last byte."""
    budget_patience: float = Field(default=75.0, ge=0, le=86_400)
    """Longest time, in seconds, that one call waits for the call budget before it gives up."""
    row_limits: Mapping[str, int] = Field(default_factory=dict)
    """Rows of one reply by api, where the vendor's limit is not the one of `apis.py`."""
    codes_per_call: int = Field(default=1000, ge=1, le=100_000)
    """Codes in one list of `daily` or `suspend_d`; they travel in the body, so no address limits them."""
    adjustment_codes_per_call: int = Field(default=1, ge=1, le=100_000)
    """Codes in one list of `adj_factor`, whose documentation speaks of one code or of one session only."""
    by_session: bool = True
    """Whether the account may ask for the whole market of one session."""
    market_rows: int = Field(default=5600, ge=1, le=10_000_000)
    """Rows that the whole market of one session has."""

    @field_validator("base_url")
    @classmethod
    def _without_blanks_and_credentials(cls, value: str) -> str:
        # An address is shown; a person's password in it would be, too.
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError("has a user or a password in it; allowed: an address without, and the token beside it")
        return value.strip()

    @field_validator("token")
    @classmethod
    def _token_without_blanks(cls, value: SecretStr) -> SecretStr:
        return SecretStr(value.get_secret_value().strip())

    @field_validator("row_limits")
    @classmethod
    def _positive_limits(cls, value: Mapping[str, int]) -> Mapping[str, int]:
        for api, limit in value.items():
            if limit < 1:
                raise ValueError(f"the row limit of {api} must be at least 1, found {limit}")
        return value

    def row_limit(self, api: Api) -> int:
        """Return the rows at which a reply of `api` counts as cut off."""
        return self.row_limits.get(api.name, api.row_limit)

    def require_account(self) -> None:
        """Raise `ConfigurationError` saying what to set when address or token cannot be used."""
        if not _is_http_address(self.base_url):
            raise ConfigurationError(
                f"sources.tushare.base_url is {self.base_url!r}; set it to the http or https address of the Tushare "
                "API, in data_worker.yml or as GINKGO_DATA__SOURCES__TUSHARE__BASE_URL"
            )
        if not self.token.get_secret_value():
            raise ConfigurationError(
                "sources.tushare.token is empty; set it in data_worker.yml, as TUSHARE_TOKEN or as "
                "GINKGO_DATA__SOURCES__TUSHARE__TOKEN"
            )

    def budget_key(self, api: Api) -> str:
        """Return the key of the call budget: quotas are per api and account, and the token is only hashed."""
        account = hashlib.sha256(self.token.get_secret_value().encode()).hexdigest()[:16]
        return f"tushare:{api.name}:{account}"


def _is_http_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
