"""What measuring a field needs: images, protocols, and sums that go on where they stopped."""
