"""How good the results are, beside what else a person could use without training data.

    python -m benchmarks.quality                      all suites, on photographs of scikit-image
    python -m benchmarks.quality --suite=denoise --data=DIR
    python -m benchmarks.quality --suite=denoise --row=FILE,side=256,damage.sigma=25
    python -m benchmarks.quality --scale=full --suite=denoise --data=DIR

Makes quality_<suite>.md, .json and .png in benchmarks/results (`--name`, `--out`). DIR is a folder
of clean pictures, or has one for each suite; `NAME_mask.png` beside `NAME.png` is its mask, white
where the picture is known (`--mask-polarity=fill`: where it is to be filled), and a picture without
one is damaged as the task's sample is.

`--scale=cpu` (default): three pictures of 128 pixels, 4 seeds; 10 to 45 minutes a suite on two
cores. `--scale=full`: the published protocols, all pictures in full size, published width, 8 seeds;
for an accelerator. What is set by hand goes before what the scale says.

Resumable: each method's result on each picture is kept in a file of its own, and only what is
missing is run. `--methods` runs some of them alone: a long suite can be made in parts. What is kept
belongs to pictures and settings; after a change of the code, give another `--work`.
"""

import sys

from dip_jax.cli import startup

if __name__ == "__main__":
    startup.prepare_memory(restart=True)  # before JAX takes memory

from benchmarks.quality.arguments import arguments
from benchmarks.quality.measure import Run
from benchmarks.quality.plan import SUITES
from benchmarks.quality.report import report
from dip_jax.errors import InputError
from dip_jax.files import write_bytes
from dip_jax.report.records import write_json


def main(given: list[str] | None = None) -> int:
    """Measures the suites that were asked for; 2 if something given cannot be used."""
    args = arguments(sys.argv[1:] if given is None else given, __doc__)
    try:
        for folder in (args.work, args.out):
            folder.mkdir(parents=True, exist_ok=True)
        for name in [args.suite] if args.suite else SUITES:
            results, png = Run(name, args).results()
            text = report(results)
            write_bytes(args.out / f"{args.name}_{name}.md", text.encode())
            write_json(args.out / f"{args.name}_{name}.json", results)
            write_bytes(args.out / f"{args.name}_{name}.png", png)
            print(text, flush=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    startup.keep_compiled_programs()
    sys.exit(main())
