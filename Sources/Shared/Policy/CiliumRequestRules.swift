import KubeObjects

extension CiliumRuleReader {
    func unsupported(_ element: CiliumPortRule, _ place: PolicyPlace) -> [PolicyRefusal] {
        [
            ("listener", element.listener), ("terminatingTLS", element.terminatingTLS),
            ("originatingTLS", element.originatingTLS), ("serverNames", element.serverNames),
            ("rules.kafka", element.rules?.kafka), ("rules.l7proto", element.rules?.l7proto),
            ("rules.l7", element.rules?.l7),
        ].filter { $0.1 != nil }.map { place[$0.0].refuse("is not supported") }
    }

    /// Reads `toPorts.rules`. Returns nil if the rule does not look at requests.
    func requests(
        _ element: CiliumPortRule, _ direction: PolicyDirection, _ isDeny: Bool, _ place: PolicyPlace,
        _ refusals: inout [PolicyRefusal]
    ) -> RequestMatches? {
        let http = element.rules?.http ?? []
        let dns = element.rules?.dns ?? []
        if http.isEmpty, dns.isEmpty { return nil }
        if !http.isEmpty, !dns.isEmpty {
            refusals.append(
                place["rules"].refuse("http and dns cannot be combined; write two elements of toPorts"))
        }
        let place = place[http.isEmpty ? "rules.dns" : "rules.http"]
        if isDeny {
            refusals.append(place.refuse("cannot be denied: a deny rule is about ports; allow what may come"))
        }
        if element.ports.isEmpty || element.ports.contains(where: { $0.port == .integer(0) || $0.port == .text("0") }) {
            refusals.append(place.refuse("needs ports"))
        }
        return http.isEmpty
            ? .dns(self.dns(dns, element, direction, place, &refusals))
            : .http(self.http(http, element, place, &refusals))
    }

    private func dns(
        _ rules: [CiliumFQDN], _ element: CiliumPortRule, _ direction: PolicyDirection, _ place: PolicyPlace,
        _ refusals: inout [PolicyRefusal]
    ) -> [NamePattern] {
        if direction != .egress {
            refusals.append(
                place.refuse("is of egress rules only: questions are read where they are asked"))
        }
        if element.ports.contains(where: { $0.protocol == .sctp }) {
            refusals.append(place.refuse("needs UDP, TCP or ANY"))
        }
        return rules.enumerated().compactMap { index, rule in
            let place = PolicyPlace(policy: place.policy, field: "\(place.field)[\(index)]")
            return refusals.taking { () throws(PolicyRefusal) in try Self.pattern(rule, place) }
        }
    }

    static func pattern(_ name: CiliumFQDN, _ place: PolicyPlace) throws(PolicyRefusal) -> NamePattern {
        let isPattern = name.matchPattern?.isEmpty == false
        guard isPattern != (name.matchName?.isEmpty == false),
            let text = isPattern ? name.matchPattern : name.matchName
        else { throw place.refuse("needs either matchName or matchPattern") }
        do throws(NamePattern.Mistake) {
            return try NamePattern(text, isPattern: isPattern)
        } catch {
            throw place[isPattern ? "matchPattern" : "matchName"].refuse("\"\(text)\": \(error)")
        }
    }

    private func http(
        _ rules: [CiliumHTTPRule], _ element: CiliumPortRule, _ place: PolicyPlace, _ refusals: inout [PolicyRefusal]
    ) -> [HTTPMatch] {
        if element.ports.contains(where: { $0.protocol != .tcp }) {
            refusals.append(place.refuse("needs ports of protocol TCP"))
        }
        return rules.enumerated().map { index, rule in
            let place = PolicyPlace(policy: place.policy, field: "\(place.field)[\(index)]")
            let headers = (rule.headerMatches ?? []).enumerated().compactMap { index, match in
                refusals.taking { () throws(PolicyRefusal) in
                    try header(match, place["headerMatches", index])
                }
            }
            let match = HTTPMatch(
                method: rule.method, path: rule.path, host: rule.host, headers: rule.headers, headerMatches: headers)
            do {
                _ = try RequestMatch(match)
            } catch {
                refusals.append(place.refuse("\(error)"))
            }
            return match
        }
    }

    /// Reads a header match. A request without the header is refused. The other actions of Cilium, which log the
    /// request or write the header, are not supported by this proxy.
    private func header(
        _ match: CiliumHeaderMatch, _ place: PolicyPlace
    ) throws(PolicyRefusal) -> HTTPMatch.Header {
        if let mismatch = match.mismatch, !mismatch.isEmpty, mismatch != "FAIL" {
            throw place["mismatch"].refuse(
                "\(mismatch) is not supported: a request that does not match is refused (FAIL)")
        }
        if match.secret != nil { throw place["secret"].refuse("is not supported; write the value out") }
        return HTTPMatch.Header(name: match.name, value: match.value?.isEmpty == false ? match.value : nil)
    }
}
