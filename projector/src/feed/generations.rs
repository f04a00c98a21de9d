//! Which generations of the read models this process feeds.

use std::sync::{Arc, PoisonError, RwLock};

use platform::{
    rows::{Plan, Plans},
    store::StoreError,
};

/// The plan by which commits are applied.
#[derive(Debug)]
pub(super) struct Feeding {
    plans: Plans,
    plan: RwLock<Arc<Plan>>,
}

impl Feeding {
    pub(super) fn new(plans: Plans) -> Self {
        Self { plans, plan: RwLock::default() }
    }

    /// The plan as it was adopted last.
    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the plan. Whatever is begun to be applied from now on is applied by it, or by a later one.
    pub(super) async fn adopt(&self) -> Result<Arc<Plan>, StoreError> {
        let plan = Arc::new(self.plans.read().await?);
        let mut held = self.plan.write().unwrap_or_else(PoisonError::into_inner);
        if plan.number > held.number {
            tracing::info!(number = plan.number, models = ?plan.models, "the generations have changed");
            *held = Arc::clone(&plan);
        }
        Ok(Arc::clone(&held))
    }
}
