from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run_loaded(espnet_server, tmp_path_factory):
    """Return run_loaded(module, words): (status, output) where ESPnet is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        import loaded

        def run(module, words):
            output = tmp_path_factory.mktemp("loaded") / "output"
            arguments = module, list(map(str, words)), output
            process = espnet_server.Process(target=loaded.run, args=arguments)
            process.start()
            process.join()
            return process.exitcode, output.read_text()

        yield run
