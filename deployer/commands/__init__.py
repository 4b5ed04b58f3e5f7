"""argv for docker, helm and git, and nothing else. Pure: these modules never start what they describe."""
