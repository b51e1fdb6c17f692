"""Colours and lines of what is drawn: the same in every curve."""

# Okabe and Ito's palette, which colour-blind readers can tell apart.
REFERENCES = {"true": "#009E73", "heldout": "#0072B2", "observed": "#D55E00"}
REFERENCE_LABELS = {"true": "true", "heldout": "held-out", "observed": "observed"}
OUTPUTS = {"avg": "-", "out": "--"}
ORACLE_COLOUR = "#E69F00"
