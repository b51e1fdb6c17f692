"""A noisy picture is denoised by its own patches, and these are shown the network's image.

A fit errs: it has begun to fit the noise, or has not yet come to what is fine. Patches err
elsewhere: they take for noise what nothing else in the picture resembles. First there is an
estimate of the picture by them alone: non-local means, a Wiener filter (`wiener`), and then Bayes'
estimate of patches from those that are alike (`nonlocal_bayes`), again and again, each time with
the last result to tell which are. Then the network's image has a share in it, and the last passes
begin there. No clean picture is needed, and no training.

The numbers were chosen on photographs of 128 and 256 pixels, mostly with noise of 25 (of 255), some
with 5 to 50.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dip_jax.finish import nonlocal_bayes, wiener
from dip_jax.forward.observation import Observation, with_gaps
from dip_jax.prepare import noise_level
from dip_jax.prepare.correlated_noise import flat_noise, has_blocks
from dip_jax.prepare.nonlocal_means import nonlocal_means

Image = Float[np.ndarray, "h w c"]
Known = Bool[np.ndarray, "h w k"]
Passes = tuple[tuple[int, int], ...]

_WIENER_SHARE = 0.4
# Side of the patches of Bayes' estimates, in turn, and the stride from one to the next: of those
# without the network's image, and of those with it.
_ALONE = ((3, 3), (3, 3), (3, 3), (5, 3), (5, 3), (7, 4), (7, 4))
_WITH_IT = ((5, 3), (7, 4), (7, 3))
# The share of the network's image is so much over how far it is off the other estimate, in
# deviations of the noise; from the first of these distances to the second it falls to none.
_SHARE, _MOST, _FAR, _TOO_FAR = 0.1, 0.8, 0.35, 0.45
_MORE_NOISE = 0.1  # deviations, of a second picture that tells how the estimate follows the first
_AS_PILOT = 2.5  # times the best share of the network's image in a result, that in a pilot
_PILOT = float(np.sqrt(0.5))  # the pilot lacks some of the picture; so less counts as noise
_OUTLIER = 4.0  # deviations; of normal noise one value in 16,000 is farther off
_UNLIKE, _ALIKE = 6.0, 1 / 4  # deviations that a wrong value is off its neighbours, but for so many
_AS_NOISE, _WELL = 1.25, 1 / 2  # deviations that so many of these are off the image at most
# Noise from which on what is so far off is wrong; in less of it fine detail is as far off. On six
# photographs of 128 pixels that cost 0.01 dB at 25, up to 0.2 dB at 20, 1 dB at 15 and 7 dB at 5.
# Wrong values are in flat parts as often as elsewhere: there the neighbourhoods (its side in
# pixels), without single values, differ by so many deviations at most.
_TELLING, _AS_OFTEN, _ABOUT, _FLAT = 22 / 255, 2 / 3, 9, 4.0
_FLAT_NOISE = 3 / 255  # what flat parts have at least, or a gradient without noise is not flat
_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
LEAST_NOISE = 0.4 / 255  # what rounding to 8 bits amounts to
_NOT_WHITE = 2 / 3  # if white noise is less than this share of the noise, it is not all of it
_AS_GOOD_AS_WHITE = 0.9  # least noise along any axis; of independent channels it seems to be so
_WEAK = 10 / 255  # of what seems to be weaker noise, texture may be the most
# Noise that seems to be weaker than the first of these, and that is weaker than the second by white
# noise or by flat parts.
_SEEMS_WEAK, _IS_WEAK = 17 / 255, 11 / 255
_SEEMED_WEAK, _IS_WEAKER = 12.5 / 255, 4.5 / 255  # the same where channels may be of unequal noise
_EVEN = (
    2 / 3
)  # least noise of a channel's flat parts, of the noisiest one's, or it is not as strong
_TEXTURED = 1.28  # noise over that of the flattest parts; 1.26 where there is no texture at all
_PUT_BACK = 4.5 / 255  # in weaker noise some of the picture is put back where much is left out
_NEXT_TO_NOTHING = 6 / 255
_AS_MUCH = 1.6  # of differences in flat parts white noise leaves so much at most
_WHITE_AS_WELL = 0.4  # least noise of the flattest parts, of the white noise there is; else
# what is taken for noise stands in some parts alone, as wrong values in a drawing do
_FLAT_LACKS = 1.1  # that of the flattest blocks is taken times this
_AROUND = 7  # side in pixels of the square in which what is left out is weighed
_IN_COMMON = 0.4  # least correlation of the channels' noise at which it is taken apart
_CLEAR = 3 / 255  # least noise at which that is believed to be of noise, and not of texture
# The neighbours whose median a value is compared with; how much of what it is off that is noise,
# the rest being the median's own and some texture; and what share may be equal to it.
AROUND_ONE = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)[..., None]
_NOISE_OF_IT, _SAME = np.float32(0.89), 1 / 3
_OF_MEAN = float(np.sqrt(np.pi / 2))  # the deviation of normal noise over its mean size
# Shares of the values that are not clipped, between which these alone have a say.
_SOME, _MOST_UNCLIPPED = 0.1, 2 / 3
_QUIET = 0.4  # least noise of a channel, of the noisiest one's
_STILL = 0.15  # the same of an axis along which the noise is not correlated
_NOTHING = 1e-6  # so that what is divided by is not 0


def deviations(observation: Observation) -> Float[np.ndarray, " c"]:
    """How strong the noise of a picture is, in each channel, before there is a network's image.

    For pictures that are refined in parts: measured once, so that no part takes its own for it.

    Args:
        observation: the picture; something of it must be known.
    """
    y = np.asarray(observation.y)
    known = np.broadcast_to(np.asarray(observation.known) > 0, y.shape)
    noisy = _unclipped(y, known)
    found = _noise(None, y, noisy)
    axes, _, weakest = _axes_of_noise(y, known)
    return found if axes is not None else _of_channels(found, y, noisy, weakest)


def denoised(
    x: Image,
    observation: Observation,
    *,
    alone: bool = False,
    measured: Float[np.ndarray, " c"] | None = None,
    held: Known | None = None,
) -> Image:
    """The network's image, refined by the patches of the picture `y`.

    `m` is 3/5 of the non-local means of `y` and 2/5 of `y` filtered by `wiener.filtered` with these
    as the pilot. With `m` as its first pilot, `y` is filtered by `nonlocal_bayes.filtered`, seven
    times, with patches of 3, 5 and then 7 pixels and with the last result as the pilot: the less
    noise a pilot has, the better it tells which large patches are alike. Of what that gives and of
    the network's image a mean is the pilot of three passes more. Mostly the network has a third in
    it, and none if it is off by more than 0.45 of the noise, as mostly after a few steps, or in a
    picture of fine texture. Held-out values tell how much it should have (`_share`), for which the
    seven passes are made once more. In the end, if the noise is weak, a share of the picture is put
    back where it is farther off than noise is.

    Single wrong values would be kept by all of them. So values of `y` that are unknown or wrong are
    taken from `x` before. A wrong one is more than four deviations off `x`, as its neighbours are
    not, and more than six off three quarters of these; what else is far off `x` is fine detail,
    which the network has not come to. In noise below 22 of 255 single values of that may be as far
    off, and then only those in flat parts are taken from `x`, unless all are about as frequent
    there.

    How strong the noise is, is measured in each channel. Texture adds to that; so if white noise as
    `noise_level.white_deviation` finds it in all channels together is weaker by up to a third, the
    noise of all channels is taken to be weaker by as much. Where it seems weak, below 17 of 255,
    and white noise or the flattest parts of the picture say that it is below 11, it is the least of
    what they say: in grey, where white noise is not told from texture as well, if it is clearly
    more than in the flattest parts; in colours if white noise is not weaker by up to that third,
    and the flat parts of all channels are about as noisy; and if white noise is below 4.5. If the
    channels' noise is clearly correlated (by 0.4 or more), as in a grey picture that is stored in
    colours, axes along which it is not are treated as the channels. The noise is taken for white
    and for as strong in all of a channel: noise that is correlated from pixel to pixel, or along
    the rows, is kept in part, and where it is much stronger in one part of the picture than in
    another, too much of it may be kept there.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to; something of it must be known.
        alone: whether the patches are to do without `x`, which then has a say only in how strong
            the noise is and which values are wrong, and stands in for these and for unknown ones.
        measured: the deviations of the noise, where they were measured in a larger picture.
        held: True where a value was held out of the fit, `(h, w, c)` or `(h, w, 1)`; None if none.

    Returns:
        The refined image, in [0, 1].
    """
    y = np.asarray(observation.y)
    known = np.broadcast_to(np.asarray(observation.known) > 0, y.shape)
    noisy = _unclipped(y, known)
    found = _noise(x, np.where(known, y, x), noisy) if measured is None else measured
    noise = _at_least(found, _QUIET)
    trusted = known & ~_wrong(x, y, noise, known)
    noisy = np.logical_and(noisy, trusted)
    y = np.where(trusted, y, x)
    axes, along, weakest = _axes_of_noise(y, trusted)
    if axes is not None:
        x, y = x @ axes, y @ axes
        noise = _of_axes(_noise(x, y, noisy.all(axis=2, keepdims=True)), along)
    elif measured is None:
        noise = _of_channels(_noise(x, y, noisy), y, noisy, weakest)
    else:
        noise = _of_channels(measured, y, noisy, 0.0)
    # In deviations of the noise, so that one strength serves all channels.
    y = y / noise
    picture, pilot = jnp.asarray(y), jnp.asarray(_by_patches(y))
    if not alone:
        judging = None if held is None or axes is not None else trusted & held
        x_even = x / noise
        share = _share(x_even, y, np.asarray(pilot), judging)
        pilot = share * jnp.asarray(x_even) + (1 - share) * pilot
    image = np.asarray(_passes(picture, pilot, _WITH_IT))
    if np.sqrt(np.square(noise).mean()) < _PUT_BACK:
        image = _with_what_was_left_out(image, y, axes is None)
    image = noise * image
    return np.clip(image if axes is None else image @ axes.T, 0, 1).astype(x.dtype)


def _of_axes(
    measured: Float[np.ndarray, " c"], along: Float[np.ndarray, " c"]
) -> Float[np.ndarray, " c"]:
    """The deviations of the noise along axes, less what is texture."""
    if np.sqrt(np.square(along).mean()) < _IS_WEAK:
        measured = np.minimum(measured, _FLAT_LACKS * along).astype(measured.dtype)
    return _at_least(measured, _STILL)


def _of_channels(
    measured: Float[np.ndarray, " c"], y: Image, noisy: Known, weakest: float
) -> Float[np.ndarray, " c"]:
    """The deviations of the channels' noise, less what is texture.

    Args:
        measured: with what texture adds to them.
        y: the picture.
        noisy: True where its values have noise.
        weakest: as `_axes_of_noise` has it; 0 if only noise that is weaker than 4.5 of 255 by
            white noise is taken to be weaker than measured.
    """
    noise = _at_least(measured, _QUIET)
    even = bool(weakest) and np.array_equal(noise, measured)
    otherwise = noise
    if noise.max() < _SEEMS_WEAK:
        flat, white = _without_texture(y, noisy)
        least = np.minimum(noise, np.minimum(_FLAT_LACKS * flat, white)).astype(noise.dtype)
        least = _at_least(least, 0)
        all_over = _WHITE_AS_WELL * white < flat.mean()
        if all_over and white < _IS_WEAKER and noise.max() < _SEEMED_WEAK:
            return least
        if all_over and even and least.min() < _IS_WEAK and flat.min() >= _EVEN * flat.max():
            if y.shape[2] > 1:
                otherwise = least
            elif min(white, noise.max()) > _TEXTURED * flat.max():
                return least
    if even:
        share = noise_level.white_deviation(y / noise, noisy)
        independent = 1.0 if weakest > _AS_GOOD_AS_WHITE else weakest
        if share is not None and _NOT_WHITE * weakest < share < independent:
            return noise * np.float32(share / independent)
    return otherwise


def _wrong(x: Image, y: Image, noise: Float[np.ndarray, " c"], known: Known) -> Known:
    """Where values are wrong.

    In weak noise only in flat parts of the picture, if what seems to be wrong is clearly rarer
    there than in the whole: then the rest is detail.
    """
    from scipy.ndimage import maximum_filter, median_filter, minimum_filter

    wrong = _is_wrong(x, y, noise, known)
    if noise.max() >= _TELLING:
        return wrong
    seen = np.where(known, y, x)
    smooth, around = median_filter(seen, size=(3, 3, 1)), (_ABOUT, _ABOUT, 1)
    apart = maximum_filter(smooth, around) - minimum_filter(smooth, around)
    flat = (apart <= _FLAT * np.maximum(noise, _FLAT_NOISE)).all(axis=2)
    return wrong if _are_everywhere(wrong, flat) else wrong & flat[..., None]


def _are_everywhere(wrong: Known, flat: Bool[np.ndarray, "h w"]) -> bool:
    """Whether what seems to be wrong is about as frequent in flat parts as in the whole picture.

    And surely so: a few may be there by chance.
    """
    there = wrong[flat].sum()
    surely = there - np.sqrt(there)
    return bool(there and surely >= _AS_OFTEN * wrong.mean() * wrong[flat].size)


def _is_wrong(
    x: Image, y: Image, noise: Float[np.ndarray, " c"], known: Known | None = None
) -> Known:
    """Where `y` is far off `x` and unlike its neighbours, of which `x` is a good image.

    A network that has not come to a detail is off it in several values side by side; and few
    details are of a single value.

    Args:
        x: an image of the picture.
        y: the picture.
        noise: the deviations of its noise.
        known: True where it is known; None if it is everywhere.
    """
    h, w, _ = y.shape
    known = np.ones(y.shape, bool) if known is None else known
    off = np.abs(y - x)
    as_noise = known & (off <= _AS_NOISE * noise)
    margin = ((1, 1), (1, 1), (0, 0))
    padded = [np.pad(values, margin) for values in (y, known, as_noise)]
    alike, there, well = (np.zeros(y.shape, np.int8) for _ in range(3))
    for i, j in _NEIGHBOURS:
        value, seen, near = (each[1 + i : 1 + i + h, 1 + j : 1 + j + w] for each in padded)
        alike += seen & (np.abs(value - y) <= _UNLIKE * noise)
        there += seen
        well += near
    return (off > _OUTLIER * noise) & (alike <= _ALIKE * there) & (well >= _WELL * there)


def _passes(picture: Array, pilot: Array, passes: Passes) -> Array:
    for side, stride in passes:
        pilot = nonlocal_bayes.filtered(picture, pilot, 1.0, side, stride)
    return pilot


def _by_patches(y: Image) -> Image:
    """The estimate of a picture with noise of deviation 1 by its patches alone."""
    picture, mean = jnp.asarray(y), jnp.asarray(nonlocal_means(y))
    pilot = (1 - _WIENER_SHARE) * mean + _WIENER_SHARE * wiener.filtered(picture, mean, _PILOT)
    return np.asarray(_passes(picture, pilot, _ALONE))


def _share(x: Image, y: Image, estimate: Image, held: Known | None) -> np.float32:
    """How much of the network's image there should be in the pilot of the last passes.

    The share `s` of `x` in a mean with the estimate `a` that is nearest to the clean picture `c` is
    `⟨c − a, x − a⟩ / |x − a|²`. With `c = y − n`, and at values that the fit of `x` has not seen,
    the numerator is `⟨y − a, x − a⟩ + ⟨n, a⟩`, the last of which is the divergence of `a` with
    respect to `y`: of how much each value of `a` follows its own value of `y`. That is found by
    the difference that a little more noise makes to `a`. As a pilot, which the passes after it
    correct by the picture, it is best with some more of `x` than that.

    Source: Stein, "Estimation of the Mean of a Multivariate Normal Distribution", Annals of
    Statistics 9 (1981); the divergence as in Ramani, Blu, Unser, "Monte-Carlo SURE", IEEE TIP 17
    (2008), equation 14.

    Args:
        x: the network's image, in deviations of the noise, as the others.
        y: the noisy picture.
        estimate: of it, by `_by_patches`.
        held: the values that tell; None or nothing if there are none, and then it is a third or so.
    """
    way = x - estimate
    off = float(np.sqrt(np.square(way).mean()))
    near = min(max((_TOO_FAR - off) / (_TOO_FAR - _FAR), 0), 1)
    if held is None or not held.any() or not near:
        return np.float32(near * min(_SHARE / max(off, _NOTHING), _MOST))
    more = np.random.default_rng(0).choice(np.array([-1, 1], y.dtype), y.shape)
    followed = (_by_patches(y + _MORE_NOISE * more) - estimate) * more / _MORE_NOISE
    towards = float(((y - estimate) * way)[held].mean()) + float(followed.mean())
    nearest = towards / max(float(np.square(way[held]).mean()), _NOTHING)
    return np.float32(near * min(max(_AS_PILOT * nearest, 0), _MOST))


def no_worse(x: Image, observation: Observation) -> Image:
    """The network's image, with a share of a picture whose noise is weak, where it lacks that.

    For pictures that `denoised` would do harm to. As the noise of flat parts it counts all that is
    neither constant nor a gradient, correlated or not. Where that is next to nothing, or white
    noise that is weak accounts for the differences of neighbours, texture may be most of
    it, and it is the least that is found: so the result may have as much noise as the picture, and
    is no worse than that. Blocks of JPEG are left out of a picture for good.

    Args:
        x: the network's image, in [0, 1].
        observation: what it was fitted to.

    Returns:
        An image in [0, 1].
    """
    picture = with_gaps(observation)
    if has_blocks(picture):
        return x
    found = [flat_noise(picture[..., k].astype(np.float64)) for k in range(picture.shape[2])]
    noise = np.array([np.inf if one is None else one.deviation for one in found], x.dtype)
    known = np.isfinite(picture)
    y = np.where(known, picture, x)
    flat, white = _without_texture(y, known)
    all_white = flat.mean() < _AS_MUCH * white < _AS_MUCH * _WEAK
    if all_white or noise.max() < _NEXT_TO_NOTHING:
        noise = np.minimum(noise, np.minimum(_FLAT_LACKS * flat, white)).astype(x.dtype)
    if noise.max() > _WEAK:
        return x
    noise = _at_least(noise, 0)
    return np.clip(noise * _with_what_was_left_out(x / noise, y / noise), 0, 1).astype(x.dtype)


def _without_texture(y: Image, noisy: Known) -> tuple[Float[np.ndarray, " c"], float]:
    """The deviations of the channels' noise in flat parts, and of white noise in all of them.

    Infinite where the picture is too small to tell.
    """
    covariance = noise_level.noise_covariance(y, noisy)
    white = noise_level.white_deviation(y, noisy)
    if covariance is None or white is None:
        return np.full(y.shape[2], np.inf), np.inf
    return np.sqrt(np.diag(covariance)), white


def _with_what_was_left_out(image: Image, picture: Image, together: bool = True) -> Image:
    """The image, with a share of the picture where it is farther off that than noise alone is.

    If the errors of the image are independent of the noise, the mean square `v` of what is left out
    is theirs and that of the noise, and the best share of the picture is `(v − 1) / v`. Where noise
    is weak, that is much of it, and without it the result could be worse than the picture.

    Args:
        image: refined.
        picture: with noise of deviation 1.
        together: whether all channels have the same share.
    """
    from scipy.ndimage import uniform_filter

    left_out = picture - image
    size = (_AROUND, _AROUND, 0)
    v = uniform_filter(np.square(left_out), size)
    if together:
        v = v.mean(axis=2, keepdims=True)
    return image + np.maximum(1 - 1 / np.maximum(v, 1), 0) * left_out


def _noise(x: Image | None, y: Image, noisy: Known) -> Float[np.ndarray, " c"]:
    """The deviations of the channels' noise, by the network's image or, if less, by medians.

    For what the network leaves is also what it has not learnt. The medians are of the neighbours
    without the value itself: where noise is somewhat correlated it would be its own median too
    often. Where many values are that all the same, as those of a few levels of grey, the mean of
    how far they are off tells in place of the median of it, which would be next to nothing.
    """
    from scipy.ndimage import median_filter

    noisy = np.broadcast_to(noisy, y.shape)
    off = _NOISE_OF_IT * (y - median_filter(y, footprint=AROUND_ONE))

    def channel(k: int) -> float:
        one, its_own, seen = y[..., k], off[..., k], noisy[..., k]
        if not seen.any():
            return 0.0
        by_network = np.inf if x is None else noise_level.deviation(x[..., k], one, seen)
        if np.mean(its_own[seen] == 0) > _SAME:
            return min(by_network, _OF_MEAN * float(np.abs(its_own[seen]).mean(dtype=np.float64)))
        return min(by_network, noise_level.deviation(one - its_own, one, seen))

    return np.array([channel(k) for k in range(y.shape[2])], y.dtype)


def _unclipped(y: Image, known: Known) -> Known:
    """The known values without those that are clipped, which have no noise.

    Where many are the least or the greatest of their channel, but not nearly all.
    """
    within = np.zeros(y.shape, bool)
    for k in range(y.shape[2]):
        one, seen = y[..., k], known[..., k]
        if not seen.any():
            continue
        inside = seen & (one > one[seen].min()) & (one < one[seen].max())
        share = inside.sum() / seen.sum()
        within[..., k] = inside if _SOME < share < _MOST_UNCLIPPED else seen
    return within


def _at_least(noise: Float[np.ndarray, " c"], share: float) -> Float[np.ndarray, " c"]:
    """The deviations, none of them less than so much of the largest one."""
    return np.maximum(noise, noise.dtype.type(max(LEAST_NOISE, share * noise.max())))


def _axes_of_noise(
    y: Image, noisy: Known
) -> tuple[Float[np.ndarray, "c c"] | None, Float[np.ndarray, " c"], float]:
    """Along which the channels' noise is not correlated.

    The grain of a scanned photograph is much the same in all channels, and a grey picture that is
    stored in colours has the same noise in all of them.

    Returns:
        The axes as columns, if the noise is clearly correlated between the channels; else None. The
        deviations along them, or of the channels, in flat parts of the picture. And with each
        channel's noise scaled to a deviation of 1, the least deviation along any axis: 1
        if the channels' noise is independent, less the more it is correlated; 0 if all of it is in
        common, or if there is too little to see.
    """
    covariance = noise_level.noise_covariance(y, noisy)
    if covariance is None:
        return None, np.zeros(y.shape[2]), 0.0
    deviations = np.maximum(np.sqrt(np.diag(covariance)), _NOTHING)
    correlation = covariance / np.outer(deviations, deviations)
    off_diagonal = correlation[np.triu_indices(len(deviations), 1)]
    clear = off_diagonal.size and deviations.mean() > _CLEAR
    in_common = clear and off_diagonal.mean() > _IN_COMMON
    weakest = float(np.sqrt(max(np.linalg.eigvalsh(correlation)[0], 0)))
    if not in_common:
        return None, deviations, weakest
    variances, axes = np.linalg.eigh(covariance)
    return axes.astype(y.dtype), np.sqrt(np.maximum(variances, 0)), weakest
