"""gRPC: (method, request, code, answer), messages in their JSON form.

An answer is compared where it has something to say; a text for an answer is in the reason of a refusal.
"""


def floats(*values: float, shape: tuple[int, ...] | None = None) -> dict:
    """A TensorProto of float32."""
    sizes = (len(values),) if shape is None else shape
    return {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": n} for n in sizes]}, "float_val": list(values)}


def strings(*values: str) -> dict:
    """A TensorProto of strings, given in base64."""
    return {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": len(values)}]}, "string_val": list(values)}


def half(**choice) -> dict:
    """The model specification of half_plus_two."""
    return {"name": "half_plus_two", **choice}


OLD, SIGNATURES = {"version": 123}, {"metadata_field": ["signature_def"]}
X = {"x": floats(1, 2, 5)}
EXAMPLE = {"features": {"feature": {"x": {"float_list": {"value": [2.0]}}}}}
EMPTY = {"features": {}}
ONE, SHARED = (
    {"example_list": {"examples": [EXAMPLE]}},
    {"example_list_with_context": {"context": EXAMPLE, "examples": [EMPTY]}},
)
TEXTS = {"number": floats(1, 2, 3, 4, shape=(2, 2)), "text": strings("YQA=", "YmNkZQ==")}  # "a\0" and "bcde"

ANSWERED = {
    "predict": (
        "Predict",
        {"model_spec": half(**OLD), "inputs": X},
        "OK",
        {
            "outputs": {"y": [2.5, 3.0, 4.5]},
            "model_spec": {"name": "half_plus_two", "version": "123", "signature_name": "serving_default"},
        },
    ),
    "latest": (
        "Predict",
        {"model_spec": half(), "inputs": X},
        "OK",
        {"outputs": {"y": [3.5, 4.0, 5.5]}, "model_spec": {"version": "124"}},
    ),
    "label": (
        "Predict",
        {"model_spec": half(version_label="stable"), "inputs": X},
        "OK",
        {"model_spec": {"version": "123"}},
    ),
    "signature": (
        "Predict",
        {"model_spec": {"name": "typed", "signature_name": "length"}, "inputs": {"text": TEXTS["text"]}},
        "OK",
        {"outputs": {"length": [2, 4]}, "model_spec": {"signature_name": "length"}},
    ),
    "every_output": (
        "Predict",
        {"model_spec": {"name": "typed"}, "inputs": TEXTS},
        "OK",
        {
            "outputs": {
                "doubled": [[2, 4], [6, 8]],
                "length": [2, 4],
                "long": [False, True],
                "text": [b"a\0", b"bcde"],
                "text_bytes": [b"a\0", b"bcde"],
            }
        },
    ),
    "output_filter": (
        "Predict",
        {"model_spec": {"name": "typed"}, "inputs": TEXTS, "output_filter": ["length"]},
        "OK",
        {"outputs": {"length": [2, 4]}},
    ),
    "empty_batch": ("Predict", {"model_spec": half(), "inputs": {"x": floats()}}, "OK", {"outputs": {"y": []}}),
    "classify": (
        "Classify",
        {"model_spec": half(signature_name="classify_x_to_y", **OLD), "input": ONE},
        "OK",
        {
            "result": {"classifications": [{"classes": [{"score": 3.0}]}]},
            "model_spec": {"signature_name": "classify_x_to_y"},
        },
    ),
    "regress": (
        "Regress",
        {"model_spec": half(signature_name="regress_x_to_y", **OLD), "input": ONE},
        "OK",
        {"result": {"regressions": [{"value": 3.0}]}},
    ),
    "context": (
        "Regress",
        {"model_spec": half(signature_name="regress_x_to_y", **OLD), "input": SHARED},
        "OK",
        {"result": {"regressions": [{"value": 3.0}]}},
    ),
    "metadata": (
        "GetModelMetadata",
        {"model_spec": half(**OLD), **SIGNATURES},
        "OK",
        {
            "model_spec": {"version": "123"},
            "metadata": {
                "serving_default": {"inputs": {"x": {"dtype": "DT_FLOAT"}}, "method_name": "tensorflow/serving/predict"}
            },
        },
    ),
    "status": (
        "GetModelStatus",
        {"model_spec": half()},
        "OK",
        {"model_version_status": [{"version": "124", "state": "AVAILABLE"}, {"version": "123", "state": "AVAILABLE"}]},
    ),
    "status_of_a_label": (
        "GetModelStatus",
        {"model_spec": half(version_label="stable")},
        "OK",
        {"model_version_status": [{"version": "123", "state": "AVAILABLE"}]},
    ),
}

REFUSED = {
    "no_specification": ("Predict", {"inputs": X}, "INVALID_ARGUMENT", "ModelSpec"),
    "no_name": ("Predict", {"model_spec": {}, "inputs": X}, "INVALID_ARGUMENT", "ModelSpec"),
    "no_model": (
        "Predict",
        {"model_spec": {"name": "none"}, "inputs": X},
        "NOT_FOUND",
        "Servable not found for request: Latest(none)",
    ),
    "name_of_a_path": (
        "Predict",
        {"model_spec": {"name": "../half_plus_two"}, "inputs": X},
        "NOT_FOUND",
        "Latest(../half_plus_two)",
    ),
    "no_version": ("Predict", {"model_spec": half(version=7), "inputs": X}, "NOT_FOUND", "Specific(half_plus_two, 7)"),
    "no_label": (
        "Predict",
        {"model_spec": half(version_label="new"), "inputs": X},
        "INVALID_ARGUMENT",
        "Unrecognized servable version label: new",
    ),
    "no_signature": (
        "Predict",
        {"model_spec": half(signature_name="absent"), "inputs": X},
        "FAILED_PRECONDITION",
        "absent",
    ),
    "no_input": ("Predict", {"model_spec": half()}, "INVALID_ARGUMENT", "x"),
    "other_input": ("Predict", {"model_spec": half(), "inputs": {"z": X["x"]}}, "INVALID_ARGUMENT", "z"),
    "no_output": ("Predict", {"model_spec": half(), "inputs": X, "output_filter": ["z"]}, "INVALID_ARGUMENT", "z"),
    "output_twice": (
        "Predict",
        {"model_spec": half(), "inputs": X, "output_filter": ["y", "y"]},
        "INVALID_ARGUMENT",
        "y",
    ),
    "other_type": ("Predict", {"model_spec": half(), "inputs": {"x": strings("YQ==")}}, "INVALID_ARGUMENT", "string"),
    "no_examples": (
        "Regress",
        {"model_spec": half(signature_name="regress_x_to_y"), "input": {"example_list": {}}},
        "INVALID_ARGUMENT",
        "nput",
    ),
    "no_classifier": ("Classify", {"model_spec": half(), "input": ONE}, "INVALID_ARGUMENT", "lassification"),
    "no_regressor": ("Regress", {"model_spec": half(), "input": ONE}, "INVALID_ARGUMENT", "egression"),
    "other_metadata": (
        "GetModelMetadata",
        {"model_spec": half(), "metadata_field": ["weights"]},
        "INVALID_ARGUMENT",
        "etadata",
    ),
    "metadata_of_nothing": (
        "GetModelMetadata",
        {"model_spec": {"name": "none"}, **SIGNATURES},
        "NOT_FOUND",
        "Latest(none)",
    ),
    "status_of_nothing": (
        "GetModelStatus",
        {"model_spec": {"name": "none"}},
        "NOT_FOUND",
        "Could not find any versions of model none",
    ),
    "status_of_no_version": (
        "GetModelStatus",
        {"model_spec": half(version=7)},
        "NOT_FOUND",
        "Could not find version 7",
    ),
    "reload_of_nothing": ("HandleReloadConfigRequest", {"config": {}}, "INVALID_ARGUMENT", "onfig"),
    "reload_of_twins": (
        "HandleReloadConfigRequest",
        {
            "config": {
                "model_config_list": {
                    "config": 2 * [{"name": "typed", "base_path": "/m", "model_platform": "tensorflow"}]
                }
            }
        },
        "INVALID_ARGUMENT",
        "multiple times",
    ),
}
