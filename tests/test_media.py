"""Pictures, tables, sounds and artifacts: kept whole, under safe names, in W&B's form."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import os
import struct
import subprocess
import sys
import threading
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from sweepwidget.errors import StoreUnavailable, UsageError
from sweepwidget.media import (
    Artifact,
    Audio,
    Histogram,
    Html,
    Image,
    Plotly,
    Table,
    Video,
    filing,
    from_form,
    is_media,
    load_artifact,
    log_value,
    pixels,
    store_artifact,
)


def read_png(data: bytes) -> np.ndarray:
    """An independent reading of what we write: 8 bits, no filter, one frame (the first)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + chunk),)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
        if kind == b"IDAT":
            body += chunk
        at += 12 + size
    assert (kind, depth) == (b"IEND", 8)
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    pixels_ = rows[:, 1:].reshape(height, width, channels)
    return pixels_[:, :, 0] if channels == 1 else pixels_


def saved(media, folder: Path, key: str = "key", step: int = 3):
    """(JSON form, bytes of the file)."""
    form = media.save(folder, key, step)
    json.dumps(form)
    return form, (folder / form["path"]).read_bytes()


# -- pixels -----------------------------------------------------------------------------------------------------------

shapes = st.tuples(st.integers(1, 20), st.integers(1, 20)) | st.tuples(
    st.integers(5, 20), st.integers(1, 20), st.sampled_from([3, 4])
)


@given(hnp.arrays(np.uint8, shapes))
def test_png_holds_the_pixels(array):
    """What is written is what was given, for grey, RGB and RGBA."""
    np.testing.assert_array_equal(read_png(pixels.png(array)), array)
    assert pixels.png_size(pixels.png(array)) == (array.shape[1], array.shape[0])


@given(hnp.arrays(np.uint8, shapes))
def test_png_is_read_by_others(array):
    """Pillow reads the same pixels."""
    pil = pytest.importorskip("PIL.Image")
    np.testing.assert_array_equal(np.asarray(pil.open(io.BytesIO(pixels.png(array)))), array)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 127, 255]),  # floats in 0…1
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 127, 255]),  # negative: the range is stretched
        ([0, 200, 300], [0, 200, 255]),
        ([-5, -5, -5], [0, 0, 0]),
        ([False, True, True], [0, 255, 255]),
        ([math.nan, 1.0, 0.0], [0, 255, 0]),
        ([0.0, 0.0, 0.0], [0, 0, 0]),
    ],
)
def test_values_as_pixels(values, expected):
    """W&B's rules for what is black and what is white."""
    assert pixels.to_uint8(np.array(values)).tolist() == expected


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 7), (5, 7)),
        ((5, 7, 1), (5, 7)),
        ((1, 5, 7), (5, 7)),
        ((1, 5, 7, 3), (5, 7, 3)),
        ((3, 5, 7), (5, 7, 3)),
        ((4, 5, 3), (4, 5, 3)),
        ((9, 5, 7, 3), (2 * 5 + 2, 8 * 7 + 7 * 2, 3)),
        ((2, 1, 5, 7), (5, 16)),
        ((1, 1, 1, 5, 7), (5, 7)),
    ],
)
def test_shapes(shape, expected):
    """Channels are found where they are; batches become a grid."""
    assert pixels.image(np.full(shape, 7, np.uint8)).shape == expected


@pytest.mark.parametrize("shape", [(5,), (5, 6, 7), (0, 5), (2, 2, 5, 6, 7)])
def test_shapes_that_are_no_picture(shape):
    """The message is W&B's, and shows the shape."""
    with pytest.raises(ValueError, match=rf"Un-supported shape for image conversion \[{shape[0]}"):
        Image(np.zeros(shape))


# -- Image ------------------------------------------------------------------------------------------------------------


def test_image_form(tmp_path):
    """The JSON form is W&B's; the file is named by key, step and contents."""
    array = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    form, data = saved(Image(array, caption="six", grouping=2), tmp_path, "val/img", 12)
    sha256 = hashlib.sha256(data).hexdigest()
    assert form == {
        "_type": "image-file",
        "sha256": sha256,
        "size": len(data),
        "path": f"media/images/val_img_12_{sha256[:20]}.png",
        "format": "png",
        "width": 3,
        "height": 2,
        "grouping": 2,
        "caption": "six",
    }
    np.testing.assert_array_equal(read_png(data), array)


def test_an_image_is_taken_as_it_is(tmp_path):
    """Changing the array after `Image(array)` changes nothing."""
    array = np.full((2, 2), 9, np.uint8)
    picture = Image(array)
    array[:] = 0
    assert read_png(saved(picture, tmp_path)[1]).tolist() == [[9, 9], [9, 9]]


def test_image_of_a_file_and_of_an_image(tmp_path):
    """A file is kept byte for byte, with its own kind; an Image can be given again."""
    source = tmp_path / "photo.JPG"
    source.write_bytes(b"not really a photo")
    form, data = saved(Image(Image(source)), tmp_path / "run")
    assert (form["format"], data, form["path"].endswith(".jpg")) == ("jpg", b"not really a photo", True)


def test_images_that_do_not_exist():
    """The path is in the message."""
    with pytest.raises(FileNotFoundError, match="Image: there is no file 'nowhere.png'"):
        Image("nowhere.png")
    with pytest.raises(TypeError, match="Image: cannot make a picture of a dict; give an array"):
        Image({"a": 1})


def test_masks_and_boxes(tmp_path):
    """Class numbers are kept as they are, boxes as JSON; what is no mask is refused."""
    classes = np.array([[0, 1], [2, 1]])
    boxes = {"predictions": {"box_data": [{"position": {"minX": np.float32(0.5)}, "class_id": np.int64(1)}]}}
    picture = Image(np.zeros((2, 2)), masks={"truth": {"mask_data": classes, "class_labels": {1: "cat"}}}, boxes=boxes)
    form, _ = saved(picture, tmp_path)
    assert form["boxes"] == {"predictions": {"box_data": [{"position": {"minX": 0.5}, "class_id": 1}]}}
    mask = form["masks"]["truth"]
    assert (mask["_type"], mask["class_labels"]) == ("mask", {"1": "cat"})
    np.testing.assert_array_equal(read_png((tmp_path / mask["path"]).read_bytes()), classes)
    for wrong in ({}, {"mask_data": np.zeros((2, 2, 3), int)}, {"mask_data": [[300]]}, {"mask_data": [[0.5]]}):
        with pytest.raises(ValueError, match="'truth' needs 'mask_data'"):
            Image(np.zeros((2, 2)), masks={"truth": wrong})
    with pytest.raises(ValueError, match='"boxes" argument must be a dictionary'):
        Image(np.zeros((2, 2)), boxes=[1])


class _Figure:
    """As a matplotlib figure."""

    __module__ = "matplotlib.figure"

    def savefig(self, buffer, format):
        assert format == "png"
        buffer.write(pixels.png(np.zeros((2, 5), np.uint8)))


class _Axes:
    __module__ = "matplotlib.axes"
    figure = _Figure()


@pytest.mark.parametrize("drawn", [_Figure(), _Axes()])
def test_figures(tmp_path, drawn):
    """Figures, and what is drawn in one, are pictures; `log` knows them by itself."""
    form, data = saved(Image(drawn), tmp_path)
    assert (form["width"], form["height"], read_png(data).shape) == (5, 2, (2, 5))
    assert log_value(drawn, tmp_path, "plot", 0)["_type"] == "image-file"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_matplotlib(tmp_path):
    """The real one: a figure, axes, and the pyplot module."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    try:
        sizes = [
            (form["width"], form["height"]) for form, _ in (saved(Image(x), tmp_path) for x in (figure, axes, plt))
        ]
    finally:
        plt.close(figure)
    assert sizes == [(100, 50)] * 3


def test_pillow(tmp_path):
    """PIL images of any mode, other modes and file types."""
    pil = pytest.importorskip("PIL.Image")
    image = pil.fromarray(np.full((2, 3, 3), 50, np.uint8))
    for mode in ("RGB", "L", "1", "P", "CMYK", "RGBA", "F"):
        form, data = saved(Image(image.convert(mode)), tmp_path)
        assert (form["width"], form["height"], form["format"]) == (3, 2, "png")
        assert pil.open(io.BytesIO(data)).size == (3, 2)
    form, data = saved(Image(np.full((8, 8, 4), 50, np.uint8), file_type="jpg"), tmp_path)
    assert (form["format"], pil.open(io.BytesIO(data)).format) == ("jpg", "JPEG")
    _, data = saved(Image(np.full((8, 8, 3), 50, np.uint8), mode="L"), tmp_path)
    assert pil.open(io.BytesIO(data)).mode == "L"


def test_without_pillow_the_message_says_so(monkeypatch):
    """What only Pillow can do names it."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match="pip install pillow"):
        Image(np.zeros((2, 2)), file_type="jpg")
    with pytest.raises(ValueError, match="file_type must be one of"):
        Image(np.zeros((2, 2)), file_type="tiff")


def test_torch_images(tmp_path):
    """Tensors have their channels first, even where both ends could be channels."""
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(3, 4, 3, requires_grad=True)
    form, _ = saved(Image(tensor), tmp_path)
    assert (form["width"], form["height"]) == (3, 4)
    assert saved(Image(torch.zeros(2, 1, 28, 28)), tmp_path)[0]["width"] == 58


# -- other files ------------------------------------------------------------------------------------------------------


def test_audio(tmp_path):
    """Samples become 16-bit WAV; the ends of the range are the ends of the range."""
    form, data = saved(Audio(np.array([-1.0, 0.0, 2.0]), sample_rate=8000, caption="beep"), tmp_path)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert np.frombuffer(file.readframes(3), "<i2").tolist() == [-32767, 0, 32767]
    assert (form["_type"], form["caption"]) == ("audio-file", "beep")
    assert form["path"].startswith("media/audio/key_3_")


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([[1, -2], [3, 4]], np.int16), [1, -2, 3, 4]),
        (np.array([0, 255], np.uint8), [-32767, 32767]),
        (np.array([2**31 - 1], np.int32), [32767]),
    ],
)
def test_audio_samples(tmp_path, samples, expected):
    """Integers of every width, one column per channel."""
    _, data = saved(Audio(samples, sample_rate=1), tmp_path)
    with wave.open(io.BytesIO(data)) as file:
        assert np.frombuffer(file.readframes(9), "<i2").tolist() == expected
        assert file.getnchannels() == (samples.shape[1] if samples.ndim == 2 else 1)


def test_audio_needs_a_rate():
    """W&B's message; and shapes that are no sound."""
    with pytest.raises(ValueError, match='Argument "sample_rate" is required'):
        Audio(np.zeros(3))
    with pytest.raises(ValueError, match="Audio takes an array"):
        Audio(np.zeros((1, 2, 3)), sample_rate=1)


def test_video(tmp_path):
    """Frames become an animated PNG of as many pictures, at the speed asked for."""
    film = np.zeros((4, 3, 6, 8), np.uint8)
    film[:, 0] = np.arange(4)[:, None, None] * 60
    form, data = saved(Video(film, fps=10), tmp_path)
    assert (form["_type"], form["width"], form["height"], form["path"][-4:]) == ("video-file", 8, 6, ".png")
    assert data.count(b"fcTL") == 4
    np.testing.assert_array_equal(read_png(data), np.moveaxis(film[0], 0, 2))
    assert struct.unpack(">HH", data[data.index(b"fcTL") + 4 + 20 :][:4]) == (100, 1000)


def test_video_is_played_by_others(tmp_path):
    """Pillow finds every frame with its pixels."""
    pil = pytest.importorskip("PIL.Image")
    film = np.random.default_rng(0).integers(0, 255, (3, 3, 6, 8), np.uint8)
    _, data = saved(Video(film), tmp_path)
    image = pil.open(io.BytesIO(data))
    assert image.n_frames == 3
    for i in range(3):
        image.seek(i)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.moveaxis(film[i], 0, 2))


def test_video_files(tmp_path):
    """Files and open files are kept as they are; other kinds are refused."""
    source = tmp_path / "film.mp4"
    source.write_bytes(b"film")
    assert saved(Video(source), tmp_path)[1] == b"film"
    form, data = saved(Video(io.BytesIO(b"gif"), format="gif"), tmp_path)
    assert (data, form["path"][-4:]) == (b"gif", ".gif")
    with pytest.raises(ValueError, match="format='gif'"):
        Video(io.BytesIO(b"gif"))
    with pytest.raises(ValueError, match="accepts gif, mp4, webm, ogg"):
        Video(Path(__file__))
    with pytest.raises(ValueError, match="time, channels, height, width"):
        Video(np.zeros((3, 4, 5)))


def test_html(tmp_path):
    """Text, an open file, or the path of a page."""
    page = tmp_path / "page.html"
    page.write_text("<p>ü</p>", encoding="utf-8")
    for data in ("<p>ü</p>", io.StringIO("<p>ü</p>"), page, str(page)):
        form, kept = saved(Html(data), tmp_path / "run")
        assert (kept.decode(), form["_type"]) == ("<p>ü</p>", "html-file")
    assert saved(Html(str(page), data_is_not_path=True), tmp_path)[1] == str(page).encode()
    with pytest.raises(FileNotFoundError, match=r"Html: there is no file 'missing\.html'"):
        Html("missing.html")
    with pytest.raises(ValueError, match="data must be a string or an io object"):
        Html(3)


def test_plotly(tmp_path):
    """A plotly figure is kept as its JSON, and `log` knows it by itself."""
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(y=np.array([1.0, 2.0])))
    form = log_value(figure, tmp_path, "chart", 0)
    assert form["_type"] == "plotly-file"
    assert json.loads((tmp_path / form["path"]).read_text())["data"][0]["type"] == "scatter"
    with pytest.raises(ValueError, match="must be plotly figures, not dict; for matplotlib use Image"):
        Plotly({})


# -- Histogram --------------------------------------------------------------------------------------------------------


def test_histogram(tmp_path):
    """Counts and edges; not finite values are left out; nothing is written."""
    form = Histogram([0, 1, 1, math.nan, math.inf], num_bins=2).save(tmp_path, "h", 0)
    assert form == {"_type": "histogram", "values": [1, 2], "bins": [0.0, 0.5, 1.0]}
    assert list(tmp_path.iterdir()) == []
    counts, edges = np.histogram([1, 2, 3], bins=4)
    assert Histogram(np_histogram=(counts, edges)).save(tmp_path, "h", 0)["values"] == counts.tolist()


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"sequence": [1], "num_bins": 513}, "The maximum length of a histogram is 512"),
        ({"np_histogram": ([1], [0, 1, 2])}, r"len\(bins\) must be len\(histogram\) \+ 1"),
        ({"np_histogram": ([1],)}, r"tuple of \(values, bin_edges\)"),
        ({}, "needs a sequence"),
    ],
)
def test_histograms_that_are_refused(given_, message):
    """The messages are W&B's."""
    with pytest.raises(ValueError, match=message):
        Histogram(**given_)


# -- Table ------------------------------------------------------------------------------------------------------------


def rows_of(form, folder):
    return json.loads((folder / form["path"]).read_text(), parse_constant=lambda name: pytest.fail(name))


def test_table(tmp_path):
    """Columns and rows as JSON that browsers read, cells native, and the form W&B's."""
    table = Table(columns=["x", "y"], data=[[np.int64(1), math.nan], [{"a": (1, math.inf)}, None]])
    table.add_data("text", True)
    form, _ = saved(table, tmp_path, "preds")
    assert (form["_type"], form["ncols"], form["nrows"]) == ("table-file", 2, 3)
    assert form["path"].startswith("media/table/preds_3_")
    assert form["path"].endswith(".table.json")
    assert rows_of(form, tmp_path) == {
        "columns": ["x", "y"],
        "data": [[1, None], [{"a": [1, "Infinity"]}, None], ["text", True]],
    }


def test_table_of_pictures(tmp_path):
    """A cell may be a picture, or a list with pictures in it: their files are kept too."""
    dot = Image(np.zeros((1, 1)))
    form, _ = saved(Table(columns=["img", "more"], data=[[dot, [1, dot]]]), tmp_path)
    ((single, several),) = rows_of(form, tmp_path)["data"]
    assert single["_type"] == several[1]["_type"] == "image-file"
    assert (tmp_path / single["path"]).is_file()
    assert (tmp_path / several[1]["path"]).is_file()


def test_table_sources():
    """Lists, arrays, the old `rows`, nothing at all."""
    assert Table().columns == ["Input", "Output", "Expected"]
    assert Table(columns=["a", "b"], data=np.arange(4).reshape(2, 2)).data == [[0, 1], [2, 3]]
    assert Table(columns=["a"], rows=[[1]]).data == [[1]]
    assert Table([1], [[2]]).columns == [1]


def test_table_of_a_dataframe(tmp_path):
    """A data frame is a table, given either way or just logged; and comes back as one."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2024-01-01", None]), 3: [0.5, None]})
    for table in (Table(dataframe=frame), Table(data=frame)):
        assert table.columns == ["a", "t", 3]
        pd.testing.assert_frame_equal(table.get_dataframe(), frame)
    form = log_value(frame, tmp_path, "frame", 0)
    assert rows_of(form, tmp_path)["data"] == [[1, "2024-01-01T00:00:00", 0.5], [2, None, None]]


def test_table_columns():
    """Columns can be added, computed and read."""
    table = Table(columns=["a"], data=[[1], [2]])
    table.add_column("b", ("x", "y"))
    table.add_computed_columns(lambda i, row: {"c": row["a"] * 10 + i})
    assert (table.columns, table.data) == (["a", "b", "c"], [[1, "x", 10], [2, "y", 21]])
    assert table.get_column("c") == [10, 21]
    assert table.get_column("c", convert_to="numpy").sum() == 31
    assert (list(table.iterrows())[1], table.get_index(), len(table)) == ((1, [2, "y", 21]), [0, 1], 2)
    fresh = Table(columns=[])
    fresh.add_column("only", [1, 2])
    assert fresh.data == [[1], [2]]


def test_table_misuse(tmp_path):
    """Wrong lengths, names and cells are refused with what was given."""
    table = Table(columns=["a", "b"])
    with pytest.raises(ValueError, match=r"This table expects 2 columns: \['a', 'b'\], found 1"):
        table.add_data(1)
    with pytest.raises(ValueError, match="column 'c' has 1 values, but the table has 0 rows"):
        table.add_column("c", [1])
    with pytest.raises(ValueError, match="has a column 'a' already"):
        table.add_column("a", [])
    with pytest.raises(KeyError, match="no column 'z'"):
        table.get_column("z")
    with pytest.raises(TypeError, match="columns must be a list"):
        Table(columns="ab")
    with pytest.raises(TypeError, match="data must be a list of rows, not int"):
        Table(data=3)
    table.add_data(1, object())
    with pytest.raises(TypeError, match=r"preds\.b\[0\] is a object"):
        table.save(tmp_path, "preds", 0)


# -- in a log row -----------------------------------------------------------------------------------------------------


def test_several_images(tmp_path):
    """A list of images is W&B's images/separated."""
    pictures = [Image(np.zeros((2, 3)), caption="a"), Image(np.ones((2, 3)))]
    form = log_value(pictures, tmp_path, "samples", 7)
    assert {name: form[name] for name in ("_type", "count", "width", "height", "format", "captions")} == {
        "_type": "images/separated",
        "count": 2,
        "width": 3,
        "height": 2,
        "format": "png",
        "captions": ["a", None],
    }
    assert [(tmp_path / name).is_file() for name in form["filenames"]] == [True, True]


def test_media_anywhere(tmp_path):
    """Media are found in lists and dicts; numbers beside them are as ever; the input is not changed."""
    row = {"a": {"hist": Histogram([1.0]), "n": np.float32(2)}, "mixed": [Html("x"), 1]}
    got = log_value(row, tmp_path, "row", 0)
    assert (got["a"]["hist"]["_type"], got["a"]["n"], got["mixed"][0]["_type"], got["mixed"][1]) == (
        "histogram",
        2.0,
        "html-file",
        1,
    )
    assert isinstance(row["a"]["hist"], Histogram)
    assert log_value(1.5, tmp_path, "x", 0) == 1.5
    with pytest.raises(TypeError, match=r"row\.f is a object"):
        log_value({"f": object()}, tmp_path, "row", 0)
    assert (is_media(Html("x")), is_media("x")) == (True, False)


@pytest.mark.parametrize(
    "media",
    [
        Image(np.full((2, 2), 9, np.uint8), caption="c"),
        Audio(np.zeros(3), 8000),
        Html("x"),
        Histogram([1, 2]),
        Table(["a"], [[1]]),
    ],
    ids=lambda media: type(media).__name__,
)
def test_media_come_back(tmp_path, media):
    """What was saved can be read back, and saved again to the same form."""
    form = media.save(tmp_path, "key", 0)
    again = from_form(form, tmp_path)
    assert type(again) is type(media)
    assert again.save(tmp_path, "key", 0) == form


# -- files ------------------------------------------------------------------------------------------------------------


@given(st.text(max_size=300))
def test_a_key_never_leaves_its_folder(tmp_path_factory, key):
    """Whatever the key, the file lies directly in the media folder, and its name is one every file system takes."""
    folder = tmp_path_factory.mktemp("run")
    form = Html("x").save(folder, key, 0)
    path = folder / form["path"]
    assert path.resolve().parent == (folder / "media" / "html").resolve()
    assert path.is_file()
    assert len(path.name) < 200
    assert not path.name.startswith(".")
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@given(st.text(max_size=50) | st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "C:", "\0"])).map("/".join))
def test_a_name_inside_stays_inside(name):
    """A name inside an artifact is a path below it, or refused."""
    path = filing.inside(name)
    root = os.path.abspath("root")
    if path is not None:
        assert os.path.commonpath([root, os.path.normpath(os.path.join(root, *path.parts))]) == root
        assert path.parts


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_folder_that_cannot_be_written(tmp_path):
    """The folder is named."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnavailable, match="cannot write into"):
        Html("x").save(tmp_path, "k", 0)


def test_a_write_that_fails_leaves_nothing(tmp_path):
    """No half file stays behind, and the message names the folder or the source."""
    (tmp_path / "media").write_text("in the way")
    with pytest.raises(StoreUnavailable, match=r"cannot write into .*media"):
        Html("x").save(tmp_path, "k", 0)
    source = tmp_path / "gone.png"
    source.write_bytes(b"x")
    picture = Image(source)
    source.unlink()
    with pytest.raises(UsageError, match=r"cannot read .*gone\.png"):
        picture.save(tmp_path / "run", "k", 0)
    assert list((tmp_path / "run").rglob("*.*")) == []


def test_files_are_private(tmp_path):
    """Folders 0700, files 0600."""
    form, _ = saved(Html("x"), tmp_path / "run")
    path = tmp_path / "run" / form["path"]
    if os.name == "posix":
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_nothing_heavy_is_imported():
    """Importing the media does not import the libraries whose objects they take."""
    code = "import sweepwidget.media, sys; print([m for m in ('PIL', 'pandas', 'matplotlib', 'torch', 'plotly', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# -- Artifact ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two files, one of them deeper."""
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    return folder


def made(name: str = "data", text: str = "1", **more) -> Artifact:
    artifact = Artifact(name, "dataset", **more)
    with artifact.new_file("f.txt") as file:
        file.write(text)
    return artifact


def test_versions(store):
    """New contents are the next version; the same ones, type and metadata are the version there is."""
    versions = []
    for artifact in (made(text="1"), made(text="2"), made(text="2"), made(text="2", metadata={"n": 1}), made(text="1")):
        path = store_artifact(store, artifact)
        versions.append(artifact.version)
        assert (path / "f.txt").is_file()
        assert path == Path(artifact.download())
    assert versions == ["v0", "v1", "v1", "v2", "v3"]
    assert not list((store / "artifacts" / "data").glob(".new-*"))


def test_artifacts_come_back(store, source, tmp_path):
    """By name, version, alias or path; with metadata, description and files; and as a copy elsewhere."""
    artifact = Artifact("data", "dataset", "what it is", {"acc": np.float32(0.5)})
    artifact.add_dir(source, "in")
    artifact.add_reference("s3://bucket/big.bin")
    store_artifact(store, artifact, ["best"])
    store_artifact(store, made(text="newer"))
    for name in ("data:v0", "data:best", "me/project/data:v0"):
        back = load_artifact(store, name, "dataset")
        assert (back.version, back.metadata, back.description) == ("v0", {"acc": 0.5}, "what it is")
        assert sorted(back.manifest) == ["in/a.txt", "in/sub/b.txt"]
    assert load_artifact(store, "data").version == load_artifact(store, "data:latest").version == "v1"
    copy = Path(back.download(tmp_path / "copy"))
    assert (copy / "in" / "sub" / "b.txt").read_text() == "b"
    assert Path(back.get_path("in/a.txt").download()).read_text() == "a"
    assert Path(load_artifact(store, "data").file()).read_text() == "newer"
    assert back.size == 2


def test_an_alias_moves(store):
    """The last one to take an alias has it."""
    store_artifact(store, made(text="1"), ["best"])
    store_artifact(store, made(text="2"), ["best"])
    assert load_artifact(store, "data:best").version == "v1"
    for wrong in ("v7", "a/b", "..", ""):
        with pytest.raises(ValueError, match="cannot be an alias"):
            store_artifact(store, made(), [wrong])


def test_what_is_not_there(store):
    """The messages say what there is."""
    with pytest.raises(ValueError, match="no artifact 'data' in this store; it has none"):
        load_artifact(store, "data")
    artifact = made()
    store_artifact(store, artifact, ["best"])
    with pytest.raises(ValueError, match="no artifact '../x' .* it has data|no artifact 'x' .* it has data"):
        load_artifact(store, "../x")
    with pytest.raises(ValueError, match="has no version 'v9'; the latest is v0, best is v0"):
        load_artifact(store, "data:v9")
    with pytest.raises(ValueError, match="is of type 'dataset', not 'model'"):
        load_artifact(store, "data", "model")
    with pytest.raises(KeyError, match="no file 'g.txt'; it has f.txt"):
        artifact.get_path("g.txt")
    with pytest.raises(UsageError, match="has not been logged yet"):
        made().download()


def test_what_is_added_is_taken_as_it_is(store, source):
    """A file may change or go after `add_file`; with policy="immutable" it is read when logged."""
    artifact = Artifact("data", "dataset")
    artifact.add_file(source / "a.txt")
    artifact.add_file(source / "sub" / "b.txt", name="b.txt", policy="immutable")
    (source / "a.txt").unlink()
    (source / "sub" / "b.txt").write_text("later")
    path = store_artifact(store, artifact)
    assert ((path / "a.txt").read_text(), (path / "b.txt").read_text()) == ("a", "later")
    assert artifact.manifest["b.txt"].local_path == path / "b.txt"


def test_a_logged_artifact_does_not_change(store, source):
    """Adding to it is refused, logging it again is harmless, and the user's own files stay."""
    artifact = made()
    path = store_artifact(store, artifact)
    with pytest.raises(UsageError, match="data:v0 has been logged"):
        artifact.add_file(source / "a.txt")
    assert store_artifact(store, artifact, ["again"]) == path
    assert load_artifact(store, "data:again").version == "v0"
    assert artifact.wait() is artifact


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "..", "", "C:\\x", "a\\..\\..\\b"])
def test_names_that_would_leave_the_artifact(source, name):
    """No file is written outside, whatever it is to be called."""
    artifact = Artifact("data", "dataset")
    with pytest.raises(ValueError, match="is not a name inside an artifact"):
        with artifact.new_file(name):
            pytest.fail("opened")
    if name:
        with pytest.raises(ValueError, match="is not a name inside an artifact"):
            artifact.add_file(source / "a.txt", name=name)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "..", "ü", "a" * 129])
def test_names_of_artifacts(name):
    """W&B's rule and message."""
    with pytest.raises(ValueError, match="may only contain alphanumeric characters, dashes, underscores, and dots"):
        Artifact(name, "dataset")


def test_wrong_paths(source):
    """W&B's messages."""
    artifact = Artifact("data", "dataset")
    with pytest.raises(ValueError, match="Path is not a file: 'nowhere'"):
        artifact.add_file("nowhere")
    with pytest.raises(ValueError, match=r"Path is not a directory: .*a\.txt"):
        artifact.add_dir(source / "a.txt")
    artifact.add_file(source / "a.txt")
    with pytest.raises(ValueError, match="overwrite=True"):
        artifact.add_file(source / "a.txt")
    artifact.add_file(source / "a.txt", overwrite=True)
    artifact.remove("a.txt")
    assert artifact.files() == []
    with pytest.raises(FileNotFoundError, match="no file 'a.txt'"):
        artifact.remove("a.txt")


def test_media_in_an_artifact(store):
    """A table with pictures goes in with all its files, and comes out as a table."""
    artifact = Artifact("eval", "predictions")
    artifact.add(Table(["img", "n"], [[Image(np.zeros((2, 2))), 1]]), "preds")
    artifact.add(Image(np.ones((2, 2))), "cover")
    store_artifact(store, artifact)
    back = load_artifact(store, "eval")
    table = back.get("preds")
    assert (table.columns, table.get_column("n")) == (["img", "n"], [1])
    assert (Path(back.download()) / table.data[0][0]["path"]).is_file()
    assert isinstance(back.get("cover"), Image)
    assert back.get("nothing") is None


def test_many_log_the_same_name_at_once(store):
    """Eight writers at once: eight versions, each whole."""
    artifacts = [made(text=str(i)) for i in range(8)]
    together = threading.Barrier(8)

    def log(artifact: Artifact) -> None:
        together.wait(10)
        store_artifact(store, artifact)

    threads = [threading.Thread(target=log, args=(artifact,)) for artifact in artifacts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(artifact.version for artifact in artifacts) == [f"v{i}" for i in range(8)]
    for i, artifact in enumerate(artifacts):
        assert Path(load_artifact(store, f"data:{artifact.version}").file()).read_text() == str(i)


def test_a_store_that_cannot_be_written(tmp_path):
    """The artifact and the place are named, nothing is left half done, and it can be logged elsewhere."""
    (tmp_path / "store").write_text("in the way")
    artifact = made()
    with pytest.raises(StoreUnavailable, match="cannot keep artifact 'data'"):
        store_artifact(tmp_path / "store", artifact)
    assert artifact.version is None
    store_artifact(tmp_path / "other", artifact)
    assert artifact.version == "v0"


def test_the_staging_folder_goes_away():
    """What was staged is removed with the artifact."""
    artifact = made()
    stage = artifact._stage
    assert stage.is_dir()
    del artifact
    assert not stage.exists()


def test_pixels_example_is_a_real_png():
    """A known file, byte for byte decodable: one red pixel."""
    data = pixels.png(np.array([[[255, 0, 0]]], np.uint8))
    assert base64.b64encode(data[:33]).decode() == "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1Pe"
