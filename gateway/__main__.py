"""The command line: `aidgate`. Heavy modules are imported by the commands that need them, so that --help is quick."""

from gateway.cli.main import main

if __name__ == "__main__":
    main()
