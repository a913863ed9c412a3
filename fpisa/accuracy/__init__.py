"""The accuracy laboratory: FPISA's sums against IEEE's and other systems', designed and realistic inputs."""
