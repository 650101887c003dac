"""What a turn cost, while its calls wait for their outputs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("steps", sa.Column("usage", sa.Text))
