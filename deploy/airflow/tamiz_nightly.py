"""The nightly job of Tamiz for Airflow 3: it calls the commands and holds no logic; a task that failed can be run again.

Copy it into the folder of DAGs. The commands run where the worker runs: set the Airflow variables `tamiz_folder` (the sources,
with .venv) and `tamiz_home`; secrets come from the worker's environment.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

COMMAND = "cd {{ var.value.tamiz_folder }} && TAMIZ_HOME={{ var.value.tamiz_home }} .venv/bin/python -m batch "

with DAG(
    dag_id="tamiz_nightly",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["tamiz"],
    default_args={"retries": 1, "retry_delay": timedelta(minutes=15), "execution_timeout": timedelta(hours=6)},
) as dag:
    maintain = BashOperator(task_id="maintain", bash_command=COMMAND + "maintain")
    drift = BashOperator(
        task_id="drift",
        bash_command=COMMAND + "drift",
        skip_on_exit_code=3,  # drift was found: it is in the report, on the dashboard and in an alert
        trigger_rule="all_done",
    )
    maintain >> drift
