"""What a person reads of each epoch."""

from elman.training import Progress


def test_line_of_labels_has_shares_and_of_numbers_a_score():
    row = {"validation_score": 0.5}
    of_labels = str(Progress(2, 9, 10, 20, 0.25, 0.75, 2.0, row))
    assert (
        of_labels
        == "epoch 2/9  loss 0.2500  training accuracy 75.00%  validation 50.00%  5 sequences/s"
    )
    assert Progress(2, 9, 10, 20, 0.25, 0.75, 2.0, row).notes == []
    of_numbers = str(Progress(2, 9, 10, 20, 0.25, None, 2.0, row))
    assert of_numbers == "epoch 2/9  loss 0.2500  validation 0.5000  5 sequences/s"


def test_line_counts_epochs_where_updates_limit_them_too():
    progress = Progress(2, 9, 10, 20, 0.25, 0.75, 2.0, None, 300, 1500)
    assert str(progress) == "epoch 2/9  loss 0.2500  training accuracy 75.00%  5 sequences/s"
    assert progress.notes == []


def test_notes_are_what_the_row_says_in_words():
    row = {"loss": 1.0, "stopped": "enough", "recovered": "twice"}
    assert Progress(2, 9, 10, 20, 0.25, 0.75, 2.0, row).notes == ["twice", "enough"]
