"""REST: (method, path, body, status, answer). A text for a body is sent as it is; one for an answer is in its error."""

HALF, TYPED = "/v1/models/half_plus_two", "/v1/models/typed"
OLD = f"{HALF}/versions/123"
ROWS = [{"number": [1, 2.5], "text": "ab"}, {"number": [0, -1], "text": {"b64": "aMOpbGxv"}}]
FIRST = {"doubled": [2.0, 5.0], "length": 2, "long": False, "text": "ab", "text_bytes": {"b64": "YWI="}}
SECOND = {"doubled": [0.0, -2.0], "length": 6, "long": True, "text": "héllo", "text_bytes": {"b64": "aMOpbGxv"}}
COLUMNS = {name: [row[name] for row in ROWS] for name in ("number", "text")}
EXAMPLES = [{"x": 2.0}, {"x": 4.0}]


def available(*versions: int) -> dict:
    """The status of versions that are being served."""
    fine = {"state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return {"model_version_status": [{"version": str(version), **fine} for version in versions]}


ANSWERED = {
    "rows": ("POST", f"{OLD}:predict", {"instances": [1.0, 2.0, 5.0]}, 200, {"predictions": [2.5, 3.0, 4.5]}),
    "columns": ("POST", f"{OLD}:predict", {"inputs": [2.0, 3.0, 4.0]}, 200, {"outputs": [3.0, 3.5, 4.0]}),
    "whole_numbers": ("POST", f"{OLD}:predict", {"instances": [2]}, 200, {"predictions": [3.0]}),
    "named_row": ("POST", f"{OLD}:predict", {"instances": [{"x": 2}]}, 200, {"predictions": [3.0]}),
    "named_column": ("POST", f"{OLD}:predict", {"inputs": {"x": [2]}}, 200, {"outputs": [3.0]}),
    "latest_version": ("POST", f"{HALF}:predict", {"instances": [2.0]}, 200, {"predictions": [4.0]}),
    "a_version": ("POST", f"{HALF}/versions/124:predict", {"instances": [2.0]}, 200, {"predictions": [4.0]}),
    "label_stable": ("POST", f"{HALF}/labels/stable:predict", {"instances": [2.0]}, 200, {"predictions": [3.0]}),
    "label_canary": ("POST", f"{HALF}/labels/canary:predict", {"instances": [2.0]}, 200, {"predictions": [4.0]}),
    "any_case": ("POST", "/V1/Models/half_plus_two:PREDICT", {"instances": [2.0]}, 200, {"predictions": [4.0]}),
    "escaped_name": ("POST", "/v1/models/half%5Fplus_two:predict", {"instances": [2.0]}, 200, {"predictions": [4.0]}),
    "default_signature": (
        "POST",
        f"{OLD}:predict",
        {"signature_name": "serving_default", "instances": [2]},
        200,
        {"predictions": [3.0]},
    ),
    "a_signature": (
        "POST",
        f"{TYPED}:predict",
        {"signature_name": "length", "instances": ["ab", "c"]},
        200,
        {"predictions": [2, 1]},
    ),
    "several_rows": ("POST", f"{TYPED}:predict", {"instances": ROWS}, 200, {"predictions": [FIRST, SECOND]}),
    "several_columns": (
        "POST",
        f"{TYPED}:predict",
        {"inputs": COLUMNS},
        200,
        {"outputs": {n: [FIRST[n], SECOND[n]] for n in FIRST}},
    ),
    "base64_is_bytes": (
        "POST",
        f"{TYPED}:predict",
        {"signature_name": "length", "instances": [{"b64": "AAEC/w=="}]},
        200,
        {"predictions": [4]},
    ),
    "not_finite": (
        "POST",
        f"{TYPED}:predict",
        '{"signature_name": "same", "instances": [[NaN, Infinity, -Infinity]]}',
        200,
        {"predictions": [[float("nan"), float("inf"), -float("inf")]]},
    ),
    "classify": (
        "POST",
        f"{OLD}:classify",
        {"signature_name": "classify_x_to_y", "examples": EXAMPLES},
        200,
        {"results": [[["", 3.0]], [["", 4.0]]]},
    ),
    "regress": (
        "POST",
        f"{OLD}:regress",
        {"signature_name": "regress_x_to_y", "examples": EXAMPLES},
        200,
        {"results": [3.0, 4.0]},
    ),
    "regress_by_label": (
        "POST",
        f"{HALF}/labels/canary:regress",
        {"signature_name": "regress_x_to_y", "examples": EXAMPLES},
        200,
        {"results": [4.0, 5.0]},
    ),
    "context": (
        "POST",
        f"{OLD}:regress",
        {"signature_name": "regress_x_to_y", "context": {"x": 2.0}, "examples": [{}, {"y": 1}]},
        200,
        {"results": [3.0, 3.0]},
    ),
    "status": ("GET", HALF, None, 200, available(124, 123)),
    "status_of_a_version": ("GET", OLD, None, 200, available(123)),
    "status_of_a_label": ("GET", f"{HALF}/labels/canary", None, 200, available(124)),
}

PREDICT = f"{HALF}:predict"
REFUSED = {
    "no_model": (
        "POST",
        "/v1/models/none:predict",
        {"instances": [1]},
        404,
        "Servable not found for request: Latest(none)",
    ),
    "no_version": ("POST", f"{HALF}/versions/7:predict", {"instances": [1]}, 404, "Specific(half_plus_two, 7)"),
    "no_label": (
        "POST",
        f"{HALF}/labels/new:predict",
        {"instances": [1]},
        400,
        "Unrecognized servable version label: new",
    ),
    "large_version": ("POST", f"{HALF}/versions/{2**63}:predict", {"instances": [1]}, 400, "Failed to convert version"),
    "no_signature": ("POST", PREDICT, {"signature_name": "absent", "instances": [1]}, 400, "absent"),
    "signature_not_text": ("POST", PREDICT, {"signature_name": 5, "instances": [1]}, 400, "must be a string value"),
    "nothing": ("POST", PREDICT, "", 400, "JSON Parse error"),
    "no_json": ("POST", PREDICT, "hello", 400, "JSON Parse error"),
    "neither_format": ("POST", PREDICT, {"image": [1]}, 400, "'instances'"),
    "both_formats": ("POST", PREDICT, {"instances": [1], "inputs": [1]}, 400, "ormatted correctly"),
    "no_rows": ("POST", PREDICT, {"instances": []}, 400, "'instances'"),
    "text_for_number": ("POST", PREDICT, {"instances": ["x"]}, 400, "is not of expected type: float"),
    "ragged": ("POST", PREDICT, {"instances": [[1, 2], [3]]}, 400, "Expecting tensor size: 2 but got: 1"),
    "deeper_row": ("POST", PREDICT, {"instances": [[1, 2], [[3, 4]]]}, 400, "Expecting shape [2] but got: [1"),
    "other_key": ("POST", PREDICT, {"instances": [{"y": 1}]}, 400, "keys must be"),
    "list_for_objects": ("POST", f"{TYPED}:predict", {"instances": [1]}, 400, "is a plain"),
    "number_for_text": (
        "POST",
        f"{TYPED}:predict",
        {"signature_name": "length", "instances": [1]},
        400,
        "not of expected type: string",
    ),
    "row_of_a_scalar": (
        "POST",
        f"{TYPED}:predict",
        {"signature_name": "scalar", "instances": [1]},
        400,
        "has no shape information",
    ),
    "rows_of_two_sizes": (
        "POST",
        f"{TYPED}:predict",
        {"signature_name": "pair", "instances": [1]},
        400,
        "inconsistent batch size",
    ),
    "output_without_json": (
        "POST",
        f"{TYPED}:predict",
        {"signature_name": "half", "instances": [1]},
        400,
        "tensor type: ",
    ),
    "no_examples": (
        "POST",
        f"{HALF}:classify",
        {"signature_name": "classify_x_to_y"},
        400,
        "is expected and was not found",
    ),
    "empty_examples": (
        "POST",
        f"{HALF}:regress",
        {"signature_name": "regress_x_to_y", "examples": []},
        400,
        "is an empty array",
    ),
    "example_of_two_types": (
        "POST",
        f"{HALF}:regress",
        {"signature_name": "regress_x_to_y", "examples": [{"x": [1, 1.5]}]},
        400,
        "expecting type: int64",
    ),
    "no_feature": (
        "POST",
        f"{HALF}:regress",
        {"signature_name": "regress_x_to_y", "examples": [{"z": 1.0}]},
        400,
        "data type: float",
    ),
    "no_classifier": ("POST", f"{HALF}:classify", {"examples": EXAMPLES}, 400, "lassification"),
    "no_regressor": ("POST", f"{HALF}:regress", {"examples": EXAMPLES}, 400, "egression"),
    "other_method": ("POST", f"{HALF}:explain", {"instances": [1]}, 400, f"Malformed request: POST {HALF}:explain"),
    "get_of_a_call": ("GET", PREDICT, None, 400, f"Malformed request: GET {PREDICT}"),
    "post_of_a_status": ("POST", HALF, {"instances": [1]}, 400, "Malformed request"),
    "version_is_text": ("POST", f"{HALF}/versions/x:predict", {"instances": [1]}, 400, "Malformed request"),
    "version_and_label": ("POST", f"{OLD}/labels/stable:predict", {"instances": [1]}, 400, "Malformed request"),
    "no_name": ("GET", "/v1/models", None, 400, "Missing model name"),
    "status_of_nothing": ("GET", "/v1/models/none", None, 404, "Could not find any versions of model none"),
    "status_of_no_version": ("GET", f"{HALF}/versions/7", None, 404, "Could not find version 7 of model half_plus_two"),
    "metadata_of_nothing": (
        "GET",
        "/v1/models/none/metadata",
        None,
        404,
        "Servable not found for request: Latest(none)",
    ),
    "name_of_a_path": ("GET", "/v1/models/..%2F..%2Fetc", None, 404, "../../etc"),
}
