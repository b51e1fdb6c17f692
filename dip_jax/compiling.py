"""What the compiler is told of every program that takes it long."""

# On a CPU. Its newer way to compile what is neither a product nor a convolution takes a third to a
# half as long again, for programs that are no faster. Elsewhere it has no meaning.
QUICKLY: dict[str, bool | int] = {"xla_cpu_use_fusion_emitters": False}
