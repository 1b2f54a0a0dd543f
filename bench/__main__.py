"""``python -m bench``. Processes that the benchmark starts read this module, too, so it does nothing for them."""

if __name__ == "__main__":
    from bench.command import main

    main()
