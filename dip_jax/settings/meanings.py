"""What every field of a configuration means, in a sentence.

`dip-jax run TASK --help` and the documentation are made of it. The defaults stand in `tasks`, and
what a field may be in `limits`.
"""

from dip_jax.settings import limits

MEANINGS = {
    "task": "The task. It is set by the name of the configuration.",
    "preset": "The preset. It is set by the name of the configuration.",
    "image": "The picture: a file, a folder, or a pattern such as 'photos/*.png'. Empty: a sample "
    "photograph.",
    "page": "The page of a TIFF with several pages, from 1. 0: all pages.",
    "mask": "The mask: a picture of the same size, white where the picture is to be filled. One "
    "file for all pictures, or a folder or pattern with one of each picture's name.",
    "mask_polarity": "What white in the mask means: `fill` this, or `keep` this.",
    "clean": "The clean picture of an experiment. It adds `psnr_true` and `ssim_true`.",
    "data_range": "The values of black and white, such as `(0.0, 4095.0)`. Empty: those of the "
    "picture's type.",
    "degrade": "The damage that is done to the picture before it is restored, for an experiment. "
    "`none`: the picture is damaged already. A mask implies `none`.",
    "sample.name": "The sample photograph that is taken where `image` is empty.",
    "sample.side": "The longer side of the sample, in pixels.",
    "damage.sigma": "Standard deviation of the noise that is added, of 255.",
    "damage.share": "Share of the picture that holes cover, or of the pixels that go missing.",
    "damage.seed": "Seed of the damage.",
    "seed": "The first seed.",
    "seeds": "How many seeds are fitted. The result is their mean.",
    "lanes.at_once": "How many fits run side by side on one device. 0: one on a CPU; on an "
    "accelerator up to eight, as the memory allows.",
    "lanes.form": "How fits that run side by side are compiled. The result does not depend on it.",
    "parts.kind": "Whether a large picture is fitted in parts: `auto`, `whole`, only around the "
    "`damage`, or in `tiles`. `auto`: around the damage where that takes less than half of the "
    "time, and in tiles above 2^20 pixels.",
    "parts.continue_smooth": "Whether damage where the picture is smooth all around is filled by a "
    "smooth surface, with no network.",
    "parts.steps": "The largest number of steps of a part around damage.",
    "parts.side": "The side of a tile, in pixels.",
    "parts.memory": "The memory that a picture may take, in GB (10^9 bytes), as the estimate "
    "counts it: above it, it is fitted in tiles, and these become smaller. 0: what the machine "
    "has, and tiles of `parts.side`.",
    "num_steps": "The largest number of steps of a fit. A learning rate that changes completes its "
    "cycle in this many steps.",
    "refined_steps": "The same where a picture in colours has strong noise and the result is "
    "refined, which more steps hardly change, unless another `num_steps` than the preset's is set. "
    "0: `num_steps` in any case.",
    "precision": "Precision of the convolutions. Weights, norms and loss are always float32.",
    "remat": "Recompute activations for the gradient: less memory, more time.",
    "network.kind": "The network.",
    "network.scales": "The number of scales S. A picture is padded to a multiple of 2^S.",
    "network.down": "Channels of the convolutions on the way down, one entry per scale.",
    "network.up": "Channels of the convolutions on the way up, one entry per scale.",
    "network.skip": "Channels of the skip connections, one entry per scale. 0: none.",
    "network.down_kernel": "Kernel size on the way down, odd, one entry per scale.",
    "network.up_kernel": "Kernel size on the way up, odd, one entry per scale.",
    "network.skip_kernel": "Kernel size of the skip connections, odd, one entry per scale.",
    "network.upsampling": "`nearest` or `bilinear`, one entry per scale.",
    "network.pointwise": "Whether a 1×1 convolution follows the one on the way up.",
    "input.kind": "The network's input z: uniform `noise`, or a `meshgrid` of the coordinates.",
    "input.depth": "Channels of z. A meshgrid has 2.",
    "input.scale": "Upper end of the uniform distribution of z.",
    "input.noise": "Standard deviation of the normal noise that is added to z in every step.",
    "optimiser": "`adam`, as published, or `muon`: missing pixels in half of the steps.",
    "learning_rate": "Learning rate of the optimiser.",
    "schedule.kind": "How the learning rate changes over the steps.",
    "schedule.peak": "The highest learning rate, as a multiple of `learning_rate`.",
    "schedule.rise": "Share of the steps in which the rate of `one_cycle` rises.",
    "average": "Weight of the past in the moving average of the outputs.",
    "average_share": "Least mean age of the averaged outputs, as a share of the steps made. 0: "
    "`average` alone sets it. 0.5: the mean of all outputs.",
    "heldout.share": "Share of the known values that are held out of the fit.",
    "heldout.kind": "What is held out together: `squares` of pixels or measurements, or whole "
    "`rows` or `columns` (of a sinogram, its views).",
    "heldout.block": "Side of the squares that are held out together, or how many rows or columns "
    "side by side. 1: single ones.",
    "heldout.per_channel": "Whether each channel has its own held-out values.",
    "stop.criterion": "When the fit stops, and which step is taken.",
    "stop.patience": "Steps without a new best held-out PSNR after which the fit stops. 0: it "
    "makes all steps.",
    "stop.only_avg": "Whether only the moving average can be chosen, never a single output.",
    "stop.wmv_patience": "The patience of ES-WMV.",
    "stop.wmv_window": "The number of outputs whose variance ES-WMV looks at.",
    "stability.jump": "Rise of the loss over its recent average, in dB, that counts as divergence.",
    "stability.snapshot_every": "Steps between the states that a diverged fit goes back to.",
    "stability.max_failures": "Divergences in a row after which the fit ends.",
    "keep_known": "Whether known pixels come back exactly. False: all of the result is the "
    "network's.",
    "seamless": "Whether filled pixels are corrected so that they meet the known ones without a "
    "seam. False: they are pasted in, and not refined.",
    "refine": "Whether the network's image is refined after the fit.",
    "refine_alone": "Whether the picture is restored by its own patches, with no network, where "
    "these suffice: in filling where all that is missing lies within four pixels of what is known, "
    "and in denoising where the noise is white. It takes a quarter to a third of the time.",
    "refine_judged": "Whether held-out pixels judge the refinement: that of filled pixels is first "
    "tried on them, but in wide holes, and in denoising they tell what share the "
    "network's image has in the result. False is for fits of few steps: it takes half or "
    "two thirds of the time, and what is filled starts from a thin plate as well; or with no "
    "network, where it is as good.",
    "adapt.contrast": "Fit a picture that fills less than half of its range at full contrast.",
    "adapt.brightness": "In denoising, fit noise that grows with brightness on a scale on which it "
    "is even.",
    "adapt.stripes": "In denoising, estimate offsets of rows and columns and remove them.",
    "adapt.clipping": "In denoising, make up for noise that is cut off at black and white.",
    "adapt.still": "In denoising, keep bars and clipped regions of one value as they are.",
    "log_every": "Steps between two logged steps.",
    "preview_every": "Steps between two previews. 0: none.",
    "checkpoint_every": "Steps between two checkpoints.",
    "operator.factor": "By how much the picture is enlarged: a whole number from 2 on.",
    "operator.kernel": "In `super_resolve`, the filter by which the picture was made smaller. In "
    "`deblur`, the file of the point spread function; empty: a Gaussian of `operator.sigma`.",
    "operator.sigma": "Standard deviation of the Gaussian blur, in pixels. Not together with a "
    "kernel.",
    "operator.boundary": "What lies beyond the border of a blurred picture, by SciPy's names.",
    "operator.pattern": "The Bayer pattern: the colours of the first two pixels of the first row, "
    "then of the second.",
    "operator.quality": "Quality of the JPEG, from 1 to 100. 0: as its file says; a sample has "
    "quality 10.",
    "operator.subsampling": "Chroma subsampling of the JPEG. Empty: as its file says.",
    "operator.views": "Views that are taken of a sample. A sinogram has one per column.",
    "operator.degrees": "The angle over which the views are spread evenly, in degrees.",
    "operator.white": "The density that is white in the result. 0: it is estimated.",
}


def allowed(name: str) -> str:
    """What a field may be, in words; "" where its type says all.

    Args:
        name: the dotted name of a field.
    """
    if choices := limits.CHOICES.get(name):
        return ", ".join(choices)
    return next((span.words() for span in limits.RANGES if span.path == name), "")
