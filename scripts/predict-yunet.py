#!/usr/bin/env python3
"""Runs a YuNet face detector over pictures and writes its boxes for `host-trainer evaluate detector --predictions`.

Needs numpy, Pillow and onnxruntime, and onnx where the file has a fixed input. The ONNX file is yours: none is shipped.
Each picture is reduced to fit into --input, its shape kept, and filled up with black to the right and below.
"""

import argparse
import csv
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

STRIDES = (8, 16, 32)
PARTS = ("cls", "obj", "bbox")
# Sources that `host-trainer` holds out whole.
HELD_SOURCES = ("wider", "caltech")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, help="the YuNet file, with outputs cls_8 to bbox_32")
    parser.add_argument("--data", type=Path, required=True, help="archive (.zip) or directory with the pictures")
    parser.add_argument("--faces", type=Path, required=True, help="faces.csv, unpacked: its held-out pictures are searched")
    parser.add_argument("--input", type=size, default=(160, 120), metavar="WIDTHxHEIGHT", help="default: 160x120")
    parser.add_argument("--score", type=float, default=0.05, help="least score of a box that is written (default: 0.05)")
    parser.add_argument("--overlap", type=float, default=0.3, help="of boxes that overlap more, the best stays (default: 0.3)")
    parser.add_argument("--out", type=Path, required=True, help="CSV file: image,x,y,width,height,score")
    return parser.parse_args()


def size(text):
    width, height = (int(side) for side in text.split("x"))
    if not (32 <= width <= 1024 and 32 <= height <= 1024):
        raise ValueError(text)
    return width, height


def held_out(faces):
    """Names of the pictures that `evaluate detector` measures on, in order and once each."""
    with faces.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        held = (row["image"] for row in rows if row["split"] == "held" or row["source"] in HELD_SOURCES)
        return list(dict.fromkeys(held))


def reader(data):
    """A function from a picture's name to its bytes."""
    if data.is_dir():
        return lambda name: (data / name).read_bytes()
    archive = zipfile.ZipFile(data)
    return archive.read


def session(path):
    """The network, for an input of any size."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    if not any(isinstance(side, int) for side in opened.get_inputs()[0].shape[2:]):
        return opened
    import onnx  # only here, for files of one size

    model = onnx.load(str(path))
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for at, side in enumerate(value.type.tensor_type.shape.dim):
            if at > 0 and not (value in model.graph.input and at == 1):
                side.ClearField("dim_value")
                side.dim_param = f"{value.name}_{at}"
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def fitted(picture, width, height):
    """Pixels for the network, blue first, and how many pixels of the picture one of them is, across and down."""
    scale = min(width / picture.width, height / picture.height)
    columns, rows = (max(1, round(side * scale)) for side in picture.size)
    reduced = picture.resize((columns, rows), Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    # The network wants whole cells of its coarsest map.
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
    padded[:rows, :columns] = np.asarray(reduced, np.float32)[:, :, ::-1]
    return padded.transpose(2, 0, 1)[None], (picture.width / columns, picture.height / rows)


def decoded(outputs, columns, rows, least):
    """Boxes as rows of left, top, width, height, score, in pixels of an input of so many columns and rows."""
    found = []
    for stride in STRIDES:
        kinds = (np.reshape(outputs[f"{part}_{stride}"], (-1, 4 if part == "bbox" else 1)) for part in PARTS)
        cls, obj, (dx, dy, log_width, log_height) = (kind.T if kind.shape[1] > 1 else kind[:, 0] for kind in kinds)
        across = columns // stride
        if len(cls) != across * (rows // stride):
            sys.exit(f"predict-yunet: cls_{stride} has {len(cls)} cells, expected {across * (rows // stride)}")
        score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        cell = np.arange(len(cls))
        x, y = (cell % across + dx) * stride, (cell // across + dy) * stride
        width, height = np.exp(log_width) * stride, np.exp(log_height) * stride
        boxes = np.stack([x - width / 2, y - height / 2, width, height, score], axis=1)
        found.append(boxes[score >= least])
    return np.concatenate(found)


def best(boxes, overlap):
    """One box for each face: of those that overlap more than this, the one with the highest score."""
    boxes, kept = boxes[np.argsort(-boxes[:, 4], kind="stable")], []
    while len(boxes):
        first, boxes = boxes[0], boxes[1:]
        kept.append(first)
        begin = np.maximum(boxes[:, :2], first[:2])
        end = np.minimum(boxes[:, :2] + boxes[:, 2:4], first[:2] + first[2:4])
        common = np.prod(np.clip(end - begin, 0, None), axis=1)
        union = np.prod(boxes[:, 2:4], axis=1) + np.prod(first[2:4]) - common
        boxes = boxes[common <= overlap * union]
    return kept


def main():
    options = arguments()
    read, network = reader(options.data), session(options.onnx)
    names, total = held_out(options.faces), 0
    if not names:
        sys.exit(f"predict-yunet: {options.faces} holds out no picture")
    with options.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "x", "y", "width", "height", "score"])
        for name in names:
            picture = Image.open(io.BytesIO(read(name))).convert("RGB")
            values, (across, down) = fitted(picture, *options.input)
            outputs = network.run(None, {network.get_inputs()[0].name: values})
            outputs = dict(zip((output.name for output in network.get_outputs()), outputs))
            boxes = decoded(outputs, values.shape[3], values.shape[2], options.score)
            for x, y, width, height, score in best(boxes, options.overlap):
                place = (x * across, y * down, width * across, height * down)
                table.writerow([name, *(f"{value:.2f}" for value in place), f"{score:.5f}"])
                total += 1
    print(f"predict-yunet: {total} boxes in {len(names)} pictures", file=sys.stderr)


if __name__ == "__main__":
    main()
