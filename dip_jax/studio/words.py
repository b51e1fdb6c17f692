"""What the page calls what a person gives it."""

from typing import Any

from dip_jax.errors import Words

LABELS = {  # of the command's options, by their names
    "seeds": "Seeds",
    "seed": "First seed",
    "steps": "Largest number of steps",
    "criterion": "When to stop",
    "draft": "A quick look",
    "set": "Other fields of the configuration",
    "data_range": "Values of black and white",
    "keep_known": "Take all pixels from the network",
    "factor": "Enlarge each side by",
    "kernel": "Kernel",
    "sigma": "Width of the blur, in pixels",
    "boundary": "Beyond the border",
    "pattern": "Pattern",
    "quality": "Quality of the JPEG",
    "subsampling": "Chroma subsampling",
    "degrees": "Angle of all views, in degrees",
    "white": "Largest density",
}
_OPTIONS = {"num_steps": "steps", "stop.criterion": "criterion", "preset": "draft"}


def _field(name: str) -> str:
    if name == "mask":
        return "a mask, painted or opened"
    if name == "mask_polarity":
        return "“white is kept”"
    option = _OPTIONS.get(name, name.removeprefix("operator."))
    return f"“{LABELS[option]}”" if option in LABELS else f"“{LABELS['set']}”, {name}"


def _setting(name: str, value: Any) -> str:
    option = _OPTIONS.get(name, name.removeprefix("operator."))
    if name in ("preset", "keep_known", "mask_polarity"):
        return _field(name)
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    if option in LABELS:
        return f"“{LABELS[option]}”: {shown}"
    return f"“{LABELS['set']}”: {name}={shown}"


PAGE = Words(field=_field, setting=_setting, workdir="the folder")
