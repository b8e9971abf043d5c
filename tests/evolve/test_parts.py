from evolve.report.parts import put, with_part

SUITES = "# Results\n\nfast\n\n## Machine\n\n| a |\n"
DOCTOR = "# What the doctor found\n\nfine\n"


def test_parts_stand_one_after_the_other():
    assert with_part(with_part("", SUITES), DOCTOR) == SUITES + "\n" + DOCTOR


def test_a_part_takes_its_own_place_and_leaves_the_others():
    both = with_part(SUITES, DOCTOR)
    faster = SUITES.replace("fast", "faster")
    assert with_part(both, faster) == faster + "\n" + DOCTOR
    assert with_part(both, DOCTOR) == both


def test_a_file_is_made_and_then_kept(tmp_path):
    path = tmp_path / "RESULTS.md"
    put(path, DOCTOR)
    put(path, SUITES)
    assert path.read_text() == DOCTOR + "\n" + SUITES
