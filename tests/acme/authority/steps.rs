//! What the authority does at each step.

use super::*;

impl Facts {
    pub(super) fn new_account(&mut self, signed: &Signed) -> Answer {
        let Signer::Key(key) = &signed.signer else { return problem(400, "malformed", "no key") };
        let payload = signed.payload.clone().unwrap_or_default();
        if payload["termsOfServiceAgreed"] != json!(true) {
            return problem(403, "userActionRequired", "Agree to the terms");
        }
        let known = self.accounts.iter().position(|own| own.key == *key && !own.gone);
        let (status, at) = match known {
            Some(at) => (200, at),
            None => {
                let bound = match self.binding(&payload, signed, key) {
                    Ok(bound) => bound,
                    Err(answer) => return answer,
                };
                let contact = texts(&payload["contact"]);
                self.accounts.push(AccountRecord { key: key.clone(), contact, bound, gone: false });
                (201, self.accounts.len() - 1)
            }
        };
        let mut answer = json_answer(status, &json!({"status": "valid"}));
        answer.1.push(("Location", self.account_url(at)));
        answer
    }

    fn binding(&mut self, payload: &Value, signed: &Signed, key: &PublicKey) -> Result<Option<String>, Answer> {
        let Some((id, secret)) = self.moods.bound_to.clone() else { return Ok(None) };
        let Some(binding) = payload.get("externalAccountBinding") else {
            return Err(problem(403, "externalAccountRequired", "An external account is required"));
        };
        match jws::binding(binding, &signed.url, key, &secret) {
            Ok(found) if found == id => Ok(Some(id)),
            Ok(other) => Err(problem(403, "unauthorized", &format!("no account {other}"))),
            Err(error) => Err(problem(403, "unauthorized", &error)),
        }
    }

    pub(super) fn account(&mut self, at: usize, payload: Option<&Value>) -> Answer {
        if let Some(contact) = payload.and_then(|payload| payload.get("contact")) {
            self.accounts[at].contact = texts(contact);
        }
        json_answer(200, &json!({"status": "valid"}))
    }

    pub(super) fn new_order(&mut self, account: usize, payload: Option<&Value>) -> Answer {
        if let Some(seconds) = self.moods.rate_limit {
            let mut answer = problem(429, "rateLimited", "too many certificates already issued for these names");
            answer.1.push(("Retry-After", seconds.to_string()));
            return answer;
        }
        let payload = payload.cloned().unwrap_or_default();
        let identifiers = payload["identifiers"].as_array().cloned().unwrap_or_default();
        let names = identifiers.iter().map(|own| own["value"].as_str().unwrap_or_default().to_owned()).collect();
        let at = self.orders.len();
        let order = OrderRecord {
            account: self.account_url(account),
            names,
            replaces: payload["replaces"].as_str().map(str::to_owned),
            finalized: false,
            failed: false,
            certificate: None,
            polls: 0,
        };
        for name in order.names.clone() {
            let token = self.fresh("token");
            self.proofs.push(Proof { order: at, name, token, status: "pending", error: None });
        }
        self.orders.push(order);
        let mut answer = json_answer(201, &self.order_json(at));
        answer.1.push(("Location", format!("{}/order/{at}", self.base)));
        answer
    }

    fn order_json(&self, at: usize) -> Value {
        let order = &self.orders[at];
        let own = self.proofs.iter().enumerate().filter(|(_, proof)| proof.order == at);
        let proved = own.clone().all(|(_, proof)| proof.status == "valid");
        let status = match order {
            OrderRecord { failed: true, .. } => "invalid",
            OrderRecord { finalized: true, .. } if order.polls < self.moods.processing.0 => "processing",
            OrderRecord { finalized: true, .. } => "valid",
            OrderRecord { .. } if proved => "ready",
            OrderRecord { .. } => "pending",
        };
        let authorizations: Vec<String> =
            own.map(|(number, _)| format!("{}/authorization/{number}", self.base)).collect();
        let identifiers: Vec<Value> = order.names.iter().map(|name| json!({"type": "dns", "value": name})).collect();
        let mut body = json!({
            "status": status, "identifiers": identifiers, "authorizations": authorizations,
            "finalize": format!("{}/finalize/{at}", self.base),
        });
        if let Some(replaces) = &order.replaces {
            body["replaces"] = json!(replaces);
        }
        if status == "valid" {
            body["certificate"] = json!(format!("{}/certificate/{at}", self.base));
        }
        body
    }

    pub(super) fn order(&mut self, at: usize) -> Answer {
        if at >= self.orders.len() {
            return problem(404, "malformed", "no such order");
        }
        let mut answer = json_answer(200, &self.order_json(at));
        if self.orders[at].finalized {
            if self.orders[at].polls < self.moods.processing.0
                && let Some(seconds) = self.moods.processing.1
            {
                answer.1.push(("Retry-After", seconds.to_string()));
            }
            self.orders[at].polls += 1;
        }
        answer
    }

    /// Each proof has two challenges: the even numbers are HTTP-01, the odd ones TLS-ALPN-01.
    fn challenge_json(&self, number: usize) -> Value {
        let proof = &self.proofs[number / 2];
        let kind = if number.is_multiple_of(2) { "http-01" } else { "tls-alpn-01" };
        let mut body = json!({
            "type": kind, "url": format!("{}/challenge/{number}", self.base), "token": proof.token,
            "status": proof.status,
        });
        if let Some((kind, detail)) = &proof.error {
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            body["error"] = json!({"type": kind, "detail": detail, "status": 403});
        }
        body
    }

    pub(super) fn authorization(&self, at: usize) -> Answer {
        let Some(proof) = self.proofs.get(at) else { return problem(404, "malformed", "no such proof") };
        let kinds = if self.moods.no_http { vec![1] } else { vec![0, 1] };
        let challenges: Vec<Value> = kinds.into_iter().map(|kind| self.challenge_json(at * 2 + kind)).collect();
        let status = if proof.status == "processing" { "pending" } else { proof.status };
        let identifier = json!({"type": "dns", "value": proof.name});
        json_answer(200, &json!({"identifier": identifier, "status": status, "challenges": challenges}))
    }

    pub(super) fn challenge(&mut self, number: usize, payload: Option<&Value>) -> Answer {
        if payload != Some(&json!({})) {
            self.wrong.push(format!("challenge {number} was answered with {payload:?}"));
        }
        if number / 2 >= self.proofs.len() {
            return problem(404, "malformed", "no such challenge");
        }
        self.proofs[number / 2].status = "processing";
        json_answer(200, &self.challenge_json(number))
    }

    pub(super) fn finalize(&mut self, at: usize, payload: Option<&Value>) -> Answer {
        if self.order_json(at)["status"] != "ready" {
            self.wrong.push(format!("order {at} was finalised and is not ready"));
            return problem(403, "orderNotReady", "not ready");
        }
        let csr = payload.and_then(|payload| payload["csr"].as_str()).unwrap_or_default();
        let request = jws::decoded(csr).and_then(|der| issuing::request(&der));
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                self.wrong.push(format!("the request of order {at}: {error}"));
                return problem(400, "badCSR", &error);
            }
        };
        let sorted = |names: &[String]| {
            let mut names = names.to_vec();
            names.sort();
            names
        };
        if sorted(&request.names) != sorted(&self.orders[at].names) {
            self.wrong.push(format!("order {at} is finalised for {:?}", request.names));
        }
        if self.accounts.iter().any(|account| account.key.point().as_ref() == Ok(&request.point)) {
            self.wrong.push("a certificate for the key of an account".to_owned());
        }
        let names = self.moods.wrong_name.clone().map_or(request.names, |name| vec![name]);
        let pem = self.issuing.certificate(&names, &request.point, self.now, self.lifetime);
        self.given.push(pem.clone());
        self.orders[at].certificate = Some(pem);
        self.orders[at].finalized = true;
        json_answer(200, &self.order_json(at))
    }

    pub(super) fn certificate(&self, at: usize) -> Answer {
        match self.orders.get(at).and_then(|order| order.certificate.clone()) {
            Some(pem) => {
                (200, vec![("Content-Type", "application/pem-certificate-chain".to_owned())], pem.into_bytes())
            }
            None => problem(404, "malformed", "no such certificate"),
        }
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
