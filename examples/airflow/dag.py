"""A report for each region, every night."""

import pendulum
from airflow import DAG
from run_notebook import RunNotebookOperator

with DAG("reports", schedule="30 4 * * *", start_date=pendulum.datetime(2026, 1, 1), catchup=False) as dag:
    for region in ("North", "South"):
        RunNotebookOperator(
            task_id=f"report_{region.lower()}",
            server="https://example.org/jupyter",
            token="{{ var.value.nbexec_token }}",
            notebook="report.ipynb",
            parameters={"region": region},
            output_path=f"{region}-{{{{ ds }}}}.ipynb",
            retries=2,
        )
