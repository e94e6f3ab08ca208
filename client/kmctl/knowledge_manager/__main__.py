"""`python -m kmctl.knowledge_manager`."""

from kmctl.knowledge_manager import main

if __name__ == "__main__":
    main()
