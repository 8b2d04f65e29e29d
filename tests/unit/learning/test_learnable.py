from hki_ml.learning.learnable import learnable
from tests.unit.models.leads import lead_rows


def test_the_month_is_learned_from_only_where_two_years_tell_it_from_a_trend():
    rows = lead_rows(leads=300)
    half = rows[rows["created_at"] < rows["created_at"].quantile(0.5)]
    assert "time_month" not in learnable(half)
    later = rows.assign(
        created_at=rows["created_at"].where(rows.index > 0, rows["created_at"].min())
    )
    later.loc[later.index[-1], "created_at"] += 2 * (
        rows["created_at"].max() - rows["created_at"].min()
    )
    assert "time_month" in learnable(later)
