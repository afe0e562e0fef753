"""What changes channels, their scale or their length is told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, field_validator

from trainwright.domains.signals.processing.options import ChannelTransformConfig, SignalTransformConfig

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")
"""In the order in which they are written; all follow from the first two (Einthoven, Goldberger)."""
Derived = Literal["III", "aVR", "aVL", "aVF"]
Names = Annotated[list[str], Field(min_length=1)]


class StandardizeOptions(ChannelTransformConfig):
    """(x − mean) / deviation of the recording itself; values that are no numbers count for neither, and become 0."""

    type: str = "standardize"
    main: ClassVar[str] = "by"
    still: ClassVar[bool] = True
    by: Literal["channel", "recording"] = "channel"
    """Mean and deviation of each channel (lead), or of all together; those of the training rows are `scale: standard` of the column."""
    eps: PositiveFloat = 1e-6
    """The least that is divided by, so that a flat channel stays 0."""

    @field_validator("by", mode="before")
    @classmethod
    def _is_of_one_recording(cls, value: Any) -> Any:
        if value in ("dataset", "data", "training"):
            fix = "give the column `scale: standard`, or use normalize with the numbers"
            raise ValueError(f"{value!r} is not within one recording; for mean and deviation of the training rows {fix}")
        return {"lead": "channel", "record": "recording"}.get(value, value) if isinstance(value, str) else value


class FitLengthOptions(SignalTransformConfig):
    """Every recording at one length: longer ones cut, shorter ones filled up."""

    type: str = "fit_length"
    main: ClassVar[str] = "seconds"
    still: ClassVar[bool] = True
    makes_one_length: ClassVar[bool] = True
    seconds: PositiveFloat
    """How long."""
    fill: Literal["zeros", "repeat", "reflect", "edge"] = "zeros"
    """What comes after a shorter one: nothing, itself again (tiled), itself mirrored, or its last sample."""
    place: Literal["start", "middle", "end"] = "start"
    """What of a longer one is kept, and where a shorter one lies; for another piece in every epoch put a `random_crop` before it."""


class SelectLeadsOptions(ChannelTransformConfig):
    """Channels by name, in the order asked for."""

    type: str = "select_leads"
    main: ClassVar[str] = "leads"
    still: ClassVar[bool] = True
    leads: Names
    """Their names, case aside."""
    absent: Literal["error", "zeros"] = "error"
    """Those that are not there are refused (`error`), or are `zeros`."""
    mask: bool = False
    """A channel more for each lead: 1 where it is there, 0 where it is absent or 0 all along, as leads are that a file does not have. A
    `standardize` belongs before it, since it makes 0 of what is constant."""
    channels: list[str] | None = None
    """Names of what it is given, in order; a column of recordings knows them."""

    def channels_after(self, channels: list[str]) -> list[str]:
        """Names of what it gives."""
        return [*self.leads, *(f"{name} is there" for name in self.leads)] if self.mask else list(self.leads)


class DeriveLeadsOptions(ChannelTransformConfig):
    """Limb leads computed from I and II: III = II − I, aVR = −(I + II)/2, aVL = I − II/2, aVF = II − I/2; limb leads come first then."""

    type: str = "derive_leads"
    main: ClassVar[str] = "leads"
    still: ClassVar[bool] = True
    leads: Annotated[list[Derived], Field(min_length=1)] = ["III", "aVR", "aVL", "aVF"]
    """Which ones; those that are there already stay as they are."""
    channels: list[str] | None = None
    """Names of what it is given, in order and case aside; a column of recordings knows them."""

    @field_validator("leads", mode="before")
    @classmethod
    def _have_names_in_any_case(cls, value: Any) -> Any:
        known = {name.casefold(): name for name in LIMB_LEADS}
        named = [value] if isinstance(value, str) else value
        return [known.get(each.casefold(), each) if isinstance(each, str) else each for each in named] if isinstance(named, list) else value

    def channels_after(self, channels: list[str]) -> list[str]:
        """Names of what it gives: limb leads in the usual order, then the others as they came."""
        there = {name.casefold(): name for name in channels}
        wanted = {name.casefold() for name in self.leads}
        limbs = [there.get(name.casefold(), name) for name in LIMB_LEADS if name.casefold() in there or name.casefold() in wanted]
        return [*limbs, *(name for name in channels if name not in limbs)]
