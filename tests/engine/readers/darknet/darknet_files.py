"""Configurations of Darknet as its authors published them, written from their repeats."""

from __future__ import annotations


def section(kind, **options):
    return "\n".join([f"[{kind}]", *(f"{key}={value}" for key, value in options.items())]) + "\n\n"


def net(size=416, channels=3):
    return section("net", batch=1, width=size, height=size, channels=channels)


def conv(filters, size=3, stride=1, **options):
    given = {"batch_normalize": 1, "filters": filters, "size": size, "stride": stride, "pad": 1}
    return section("convolutional", **given, **options)


def maxpool(size=2, stride=2):
    return section("maxpool", size=size, stride=stride)


def route(*layers, **options):
    return section("route", layers=",".join(map(str, layers)), **options)


def yolo():
    return section("convolutional", size=1, stride=1, pad=1, filters=255) + section("yolo", mask="0,1,2")


def residual(filters, repeats):
    """A stage of Darknet-53."""
    block = conv(filters // 2, 1) + conv(filters) + section("shortcut", **{"from": -3})
    return conv(filters, stride=2) + block * repeats


def yolov3(size=416):
    text = net(size) + conv(32)
    for filters, repeats in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        text += residual(filters, repeats)
    text += (conv(512, 1) + conv(1024)) * 3 + yolo()
    for filters, skip in ((256, 61), (128, 36)):
        text += route(-4) + conv(filters, 1) + section("upsample", stride=2) + route(-1, skip)
        text += (conv(filters, 1) + conv(2 * filters)) * 3 + yolo()
    return text


def yolov3_tiny(size=416):
    text = net(size)
    for filters in (16, 32, 64, 128, 256):
        text += conv(filters) + maxpool()
    text += conv(512) + maxpool(2, 1) + conv(1024) + conv(256, 1) + conv(512) + yolo()
    text += route(-4) + conv(128, 1) + section("upsample", stride=2) + route(-1, 8) + conv(256) + yolo()
    return text


def yolov4_tiny(size=416):
    text = net(size) + conv(32, stride=2) + conv(64, stride=2)
    for filters in (64, 128, 256):
        text += conv(filters) + route(-1, groups=2, group_id=1) + conv(filters // 2) * 2 + route(-1, -2)
        text += conv(filters, 1) + route(-6, -1) + maxpool()
    text += conv(512) + conv(256, 1) + conv(512) + yolo()
    text += route(-4) + conv(128, 1) + section("upsample", stride=2) + route(-1, 23) + conv(256) + yolo()
    return text


def csp(filters, repeats, first=False):
    """A stage of CSPDarknet-53."""
    half = filters if first else filters // 2
    text = conv(filters, stride=2) + conv(half, 1) + route(-2) + conv(half, 1)
    text += (conv(half // 2 if first else half, 1) + conv(half) + section("shortcut", **{"from": -3})) * repeats
    return text + conv(half, 1) + route(-1, -(3 * repeats + 4)) + conv(filters, 1)


def yolov4_backbone(size=416):
    """CSPDarknet-53 with the spatial pyramid pooling of YOLOv4."""
    text = net(size) + conv(32) + csp(64, 1, first=True) + csp(128, 2) + csp(256, 8) + csp(512, 8) + csp(1024, 4)
    text += conv(512, 1) + conv(1024) + conv(512, 1)
    text += maxpool(5, 1) + route(-2) + maxpool(9, 1) + route(-4) + maxpool(13, 1) + route(-1, -3, -5, -6)
    return text + conv(512, 1) + yolo()


def yolov2(size=416):
    text = net(size) + conv(32) + maxpool() + conv(64) + maxpool() + conv(128) + conv(64, 1) + conv(128) + maxpool()
    text += conv(256) + conv(128, 1) + conv(256) + maxpool() + (conv(512) + conv(256, 1)) * 2 + conv(512) + maxpool()
    text += (conv(1024) + conv(512, 1)) * 2 + conv(1024) * 3
    text += route(-9) + conv(64, 1) + section("reorg", stride=2) + route(-1, -4) + conv(1024)
    return text + section("convolutional", size=1, stride=1, pad=1, filters=425) + section("region", classes=80)
