"""Names of the weights of NASNet in keras.applications."""

from cvapps.weights.published import Published


def cells(depth):
    """(our cell, their number, kind, how state 0 gets its shape) of every cell in order."""
    found = [("stem1", "stem_1", "reduction", None), ("stem2", "stem_2", "reduction", "halve")]
    for stage in (3, 4, 5):
        before = (stage - 3) * depth
        if stage > 3:
            found.append((f"stage{stage}_reduce", f"reduce_{before}", "reduction", "fit"))
        for i in range(1, depth + 1):
            number = before + i - (stage == 3)
            found.append((f"stage{stage}_cell{i}", f"{number}", "normal", "halve" if i == 1 else "fit"))
    return found


def keras_applications(settings):
    """keras.applications.NASNetMobile and NASNetLarge: a step's sides are left and right, but for one misnamed."""
    yield from [("stem_conv", "stem_conv1"), ("stem_bn", "stem_bn1")]
    for ours, theirs, kind, shape in cells(settings["depth"]):
        if shape == "halve":
            yield from [(f"{ours}_previous_conv{i}", f"adjust_conv_{i}_{theirs}") for i in (1, 2)]
            yield f"{ours}_previous_bn", f"adjust_bn_{theirs}"
        if shape == "fit":
            yield f"{ours}_previous_fit_conv", f"adjust_conv_projection_{theirs}"
            yield f"{ours}_previous_fit_bn", f"adjust_bn_{theirs}"
        yield f"{ours}_input_conv", f"{kind}_conv_1_{theirs}"
        yield f"{ours}_input_bn", f"{kind}_bn_1_{theirs}"
        for step, (left, _, right, _) in enumerate(settings[kind].steps, start=1):
            for side, operation in (("left", left), ("right", right)):
                if not operation.startswith("separable"):
                    continue
                place = "left4" if (kind, step, side) == ("reduction", 5, "left") else f"{side}{step}"
                for i in (1, 2):
                    part = f"{ours}_step{step}_{side}_separable{i}"
                    yield part, f"separable_conv_{i}_{kind}_{place}_{theirs}"
                    yield f"{part}_bn", f"separable_conv_{i}_bn_{kind}_{place}_{theirs}"
    yield "logits", "predictions"


KERAS = {
    "nasnet_mobile": Published("NASNetMobile", keras_applications),
    "nasnet_large": Published("NASNetLarge", keras_applications),
}
