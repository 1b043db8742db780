"""The price book of a project: the table that ships, under what its settings say of prices."""

import msgspec

from holdfast.compose.config.model import Config
from holdfast.core.price_table import PRICE_TABLE
from holdfast.core.prices import PriceBook, rates_per_mtok
from holdfast.errors import ConfigInvalid
from holdfast.model.prices import ModelPrice, Rates


def price_book(config: Config) -> PriceBook:
    """The table that ships, with the operator's prices and premiums. Errors: ConfigInvalid."""
    overrides = {price.model: price for price in _overrides(config)}
    shipped = {price.model: price for price in PRICE_TABLE.models}
    for model, ways in config.prices.premiums.items():
        held = overrides if model in overrides else shipped
        if model not in held:
            raise ConfigInvalid(f"prices.premiums.{model}: the model has no price to multiply")
        premiums = {way: round(factor * 1000) for way, factor in ways.items()}
        held[model] = msgspec.structs.replace(held[model], premiums=premiums)
    table = msgspec.structs.replace(PRICE_TABLE, models=tuple(shipped.values()))
    return PriceBook(table, overrides.values())


def _overrides(config: Config) -> list[ModelPrice]:
    prices = []
    for model, override in config.prices.overrides.items():
        rates = rates_per_mtok(
            input_nusd=override.input_nusd_per_mtok,
            output_nusd=override.output_nusd_per_mtok,
            cache_read_nusd=override.cache_read_nusd_per_mtok,
            cache_write_5m_nusd=override.cache_write_5m_nusd_per_mtok,
            cache_write_1h_nusd=override.cache_write_1h_nusd_per_mtok,
        )
        if not isinstance(rates, Rates):
            raise ConfigInvalid(f"prices.overrides.{model}: {rates.reason}")
        prices.append(ModelPrice(model=model, rates=rates, context_tokens=override.context_tokens))
    return prices
