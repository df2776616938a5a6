"""Path counts without their grid: sums of products, and the box that holds most of them."""
