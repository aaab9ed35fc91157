import re

from brainseg.report.text_table import LEAKY_WARNING, format_table


def entry(dice=0.8123, n=13):
    return {
        "slice": {"dice": 0.7, "iou": 0.6, "precision": 0.7, "recall": 0.7, "n": 170},
        "volume": {
            "dice_mean": dice, "dice_median": 0.85, "dice_min": 0.31, "dice_ci95_low": 0.701,
            "dice_ci95_high": 0.903, "iou_mean": 0.7, "hd95_px_mean": 12.34, "nsd_2px_mean": 0.654, "n": n,
        },
        "empty_slices": {"false_positive_rate": 0.0512, "n": 240},
    }  # fmt: skip


def test_a_line_per_model_in_order_with_every_number():
    models = {"unet": entry(), "unetpp": entry(0.5), "ensemble": entry()}
    text = format_table({**models, "leaky": False, "split_by": "patient"})
    rows = [line.split() for line in text.splitlines()[2:5]]
    assert [row[0] for row in rows] == ["unet", "unetpp", "ensemble"]
    expected = "0.812 0.701 to 0.903 0.850 0.310 0.700 12.3 0.654 5.1%"
    assert " ".join(rows[0][1:]) == " ".join(rows[2][1:]) == expected
    assert rows[1][1] == "0.500"
    assert "LEAKY" not in text
    assert not re.search("\x1b", text)


def test_a_leaky_split_is_said_loudly_before_and_after():
    text = format_table({"unet": entry(), "leaky": True, "split_by": "slice"}, width=200)
    assert text.startswith(LEAKY_WARNING)
    assert text.rstrip().endswith(LEAKY_WARNING)


def test_one_patient_has_no_interval():
    text = format_table({"unet": entry(n=1)})
    assert "0.701" not in text
    assert "0.812" in text


def test_few_patients_are_said():
    assert "Only 4 test patients" in format_table({"unet": entry(n=4)})
    assert "Only" not in format_table({"unet": entry(n=5)})


def test_no_row_is_wrapped():
    lines = format_table({"ensemble": entry()}).splitlines()
    assert lines[2].startswith("  ensemble")
    assert lines[3].startswith("volume Dice, median, min: whole volumes of 13 test patients;")
    assert "mean over 170 slices with tumour" in " ".join(lines[3:])
    assert "share of 240 slices without tumour" in " ".join(lines[3:])
    assert max(map(len, lines)) <= 110
