"""Pictures made fit to be sent and shown. Pure.

What a person gives becomes a PNG or a JPEG, which every model that sees can read, no larger than
models look at; of one that moves, its first frame. What a camera has noted in it (where, when)
stays here.
"""

from io import BytesIO

from PIL import Image, ImageOps

from xiaozhi.ui.question import Picture

KINDS = ["png", "jpg", "jpeg", "gif", "webp"]
MOST = 10  # in a question
LARGEST = 20  # MiB, as it is given
MOST_PIXELS = 80_000_000  # a file of a few KB can hold more than a memory
LONGEST_EDGE = 2_048  # pixels that are sent; models look at no more
WIDEST = 1_400  # pixels on the page; wider ones Streamlit makes smaller anew with each look
LIGHT = 600_000  # bytes of a PNG; a heavier one becomes a JPEG

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
# What Pillow raises where a file is broken, or none of these formats
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError)


class NotAPicture(Exception):
    """Nothing that can be read as one."""


class TooLarge(Exception):
    """It has too many bytes, or pixels."""


def fit(content: bytes) -> Picture:
    """To be sent. Raises NotAPicture, TooLarge."""
    if len(content) > LARGEST * 2**20:
        raise TooLarge
    return _encoded(_read(content, (LONGEST_EDGE, LONGEST_EDGE)))


def for_page(picture: Picture) -> Picture:
    """To be shown; `picture` itself where it can be. Raises NotAPicture, TooLarge."""
    try:
        with Image.open(BytesIO(picture.content), formats=_FORMATS) as opened:
            # Whatever its sender called it
            mime, width = Image.MIME[opened.format or ""], opened.width
    except _BROKEN as error:
        raise NotAPicture from error
    if width <= WIDEST and mime in ("image/png", "image/jpeg"):
        return Picture(picture.content, mime)
    return _encoded(_read(picture.content, (WIDEST, WIDEST * 10)))


def _read(content: bytes, within: tuple[int, int]) -> Image.Image:
    """No larger than `within` (width, height)."""
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise TooLarge
            # A JPEG is read at about the size that is wanted: a quarter of the time.
            opened.draft(None, within)
            found = ImageOps.exif_transpose(opened)
            found = found.convert("RGBA" if found.has_transparency_data else "RGB")
            found.thumbnail(within, Image.Resampling.LANCZOS, reducing_gap=2.0)
            if opened.format == "JPEG":
                found.format = "JPEG"
            return found
    except _BROKEN as error:
        raise NotAPicture from error


def _encoded(image: Image.Image) -> Picture:
    # Nothing but the pixels
    image.info.clear()
    if image.format != "JPEG":
        lossless = BytesIO()
        image.save(lossless, "PNG")
        if lossless.tell() <= LIGHT:
            return Picture(lossless.getvalue(), "image/png")
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    lossy = BytesIO()
    image.save(lossy, "JPEG", quality=88)
    return Picture(lossy.getvalue(), "image/jpeg")
