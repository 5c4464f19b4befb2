def test_forks_collect_their_own_objects_and_pass_over_those_of_espnet(run_loaded):
    """Going through these was a third of the time that loading ESPnet took."""
    status, output = run_loaded("loaded", [])
    assert (status, output.split()) == (0, ["espnet2:", "True", "True", "True"])
