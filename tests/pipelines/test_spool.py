"""A journal is whole, whatever its disk and its process go through."""

import resource

import pytest

from pipelines.spool import Spool


def test_disk_that_takes_half_a_record_spoils_no_other(home):
    spool = Spool.open(home / "spool" / "half")
    spool.write({"kind": "a"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (home / "spool" / "half" / "journal.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, hard))
    try:
        with pytest.raises(OSError, match="took 5 of"):
            spool.write({"kind": "b"})
        with pytest.raises(OSError, match="too large"):
            spool.write({"kind": "c"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    spool.write({"kind": "d"})
    assert [record for _, record in spool.read()] == [{"kind": "a"}, None, {"kind": "d"}]
    assert spool.waiting() == 2
    spool.close()


def test_journal_that_was_cut_short_goes_on_on_a_new_line(home):
    folder = home / "spool" / "cut"
    spool = Spool.open(folder)
    spool.write({"kind": "a"})
    spool.write({"kind": "b"})
    spool.close()
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-4])
    assert [record for _, record in spool.read()] == [{"kind": "a"}]
    spool = Spool.open(folder)
    spool.write({"kind": "c"})
    assert [record for _, record in spool.read()] == [{"kind": "a"}, None, {"kind": "c"}]
    spool.close()


def test_spool_is_one_writers(home):
    first = Spool.open(home / "spool" / "one")
    assert Spool.open(home / "spool" / "one", patience=0.1) is None
    first.sender.take()
    first.remove()
    again = Spool.open(home / "spool" / "one", patience=0.1)
    assert again is not None
    assert list(again.read()) == []
    again.close()
