"""Creates the synthesized stacks on an emulator of AWS, and runs the services on what was created."""
