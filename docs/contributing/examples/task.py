"""A task: old photographs with dust, of which the fit takes a longer average."""

from dip_jax.settings.tasks import Task

DUST = Task(
    "dust",
    fills=True,
    refinement="filling",
    done="Dust removed from",
    ending="_dusted",
    settings={
        "": {
            "degrade": "text",  # its sample suffers thin damage as well
            "sample": {"name": "camera", "side": 256},
            "network": {"skip": (16, 32), "upsampling": ("nearest",)},
            "average": 0.995,
        },
        "draft": {
            "refine_alone": True,
            "num_steps": 60,
            "schedule": {"kind": "constant"},
            "refine_judged": False,
        },
        "quick": {"sample": {"side": 128}, "num_steps": 200},
        "paper": {
            "network": {"down": (128,), "up": (128,), "skip": (128,)},
            "num_steps": 6001,
            "refine": False,
        },
    },
)
