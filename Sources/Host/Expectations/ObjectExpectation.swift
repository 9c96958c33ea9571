import JSON
import Observations
import PlainText
import RunEvents
import ScenarioReading
import Shapes

/// What an object of the API server is like, or that there is none.
package struct ObjectExpectation: Codable, Sendable, Hashable {
    package enum Claim: Codable, Sendable, Hashable {
        case present
        case absent
        /// A condition of the object's status, and its status: `True`, `False` or `Unknown`.
        case condition(type: String, status: String)
        /// A path as kubectl has it, and what kubectl prints for it.
        case value(path: String, value: String)
    }

    package var object: ObjectQuery
    package var claim: Claim
}

// MARK: Shape

extension ObjectExpectation: Expectation {
    package static let field = Field(
        "objects",
        .list(
            .object(
                ObjectShape(
                    name: "object expectation", help: "An object of the API server, as it is or as it must not be.",
                    fields: [
                        Field("kind", .text(.nonEmpty), required: true, "Its kind, such as Deployment."),
                        Field("name", .text(.nonEmpty), required: true, "Its name, or a pod's name in the matrix."),
                        Field("namespace", .text(.dnsLabel), "Its namespace; default."),
                        Field(
                            "apiVersion", .text(.nonEmpty),
                            "Its group and version; what the server prefers when left out."),
                        Field("condition", .text(condition), "A condition that it has: Ready, or Ready=False."),
                        Field("jsonPath", .text(.nonEmpty), "A path as kubectl has it, such as {.status.phase}."),
                        Field("value", .text(), "What kubectl prints for the path."),
                        Field("absent", .flag, "Whether there must be no such object."),
                    ], oneOf: ["condition", "jsonPath", "absent"])), atLeast: 1),
        "Objects of the API server; only in a lab with a control plane.")

    private static let condition = TextRule(
        pattern: "^[A-Za-z0-9]([A-Za-z0-9./_-]*[A-Za-z0-9])?(=(True|False|Unknown))?$",
        expected: "a condition such as Ready or Ready=False"
    ) { text in
        guard let (type, status) = split(text), let first = type.utf8.first, let last = type.utf8.last else {
            return false
        }
        let isAlphanumeric = { (byte: UInt8) in
            (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
        }
        return ["True", "False", "Unknown"].contains(status) && isAlphanumeric(first) && isAlphanumeric(last)
            && type.utf8.allSatisfy { isAlphanumeric($0) || [45, 46, 47, 95].contains($0) }
    }

    /// Splits `Ready=False`; a condition without a status is one that is true.
    private static func split(_ text: String) -> (type: String, status: String)? {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let type = parts.first, !type.isEmpty else { return nil }
        return (String(type), parts.count > 1 ? String(parts[1]) : "True")
    }

    package var needs: Set<ObservationNeed> { [.object(object)] }
}

// MARK: Reading

extension ObjectExpectation {
    package static func read(_ entry: YAMLValue.Entry, by reader: inout ExpectationReader) -> [ObjectExpectation] {
        reader.needControlPlane(entry)
        return entry.value.items.compactMap { item in
            guard let kind = item["kind"]?.text, let name = item["name"]?.text, let claim = claim(item, &reader.checker)
            else { return nil }
            return ObjectExpectation(
                object: ObjectQuery(
                    apiVersion: item["apiVersion"]?.text, kind: kind, namespace: item["namespace"]?.text, name: name),
                claim: claim)
        }
    }

    private static func claim(_ item: YAMLValue, _ checker: inout ShapeChecker) -> Claim? {
        let given = ["condition", "jsonPath", "absent"].filter { item[$0] != nil }
        if given.count > 1, let other = item[given[1]] {
            checker.report(
                other.place, "\(given[0]) and \(given[1]) are not given together", expected: "an entry for each")
        }
        if item["jsonPath"] == nil, let value = item["value"] {
            checker.report(value.place, "value needs a jsonPath")
        }
        if let text = item["condition"]?.text, let (type, status) = split(text) {
            return .condition(type: type, status: status)
        }
        if let path = item["jsonPath"], let text = path.text {
            do throws(JSONPath.Mistake) {
                _ = try JSONPath(text)
            } catch {
                checker.report(path.place, "jsonPath, character \(error.column): \(error.message)")
                return nil
            }
            guard let value = item["value"]?.text else {
                checker.report(path.place, "jsonPath needs a value that it is compared with")
                return nil
            }
            return .value(path: text, value: value)
        }
        return item["absent"]?.flag.map { $0 ? .absent : .present }
    }
}

// MARK: Words

extension ObjectExpectation {
    /// For example `Deployment default/web: Available=True`.
    package var words: String { "\(object.words): \(claim.words)" }
}

extension ObjectExpectation.Claim {
    fileprivate var words: String {
        switch self {
        case .present: "present"
        case .absent: "absent"
        case .condition(let type, let status): "\(type)=\(status)"
        case .value(let path, let value): "\(path) is \"\(value)\""
        }
    }
}

// MARK: Judgement

extension ObjectExpectation {
    package static func judge(
        _ expected: [ObjectExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.map { $0.judge(observation.objects[$0.object]) }
    }

    private func judge(_ reading: ObjectReading?) -> ExpectationResult {
        switch reading {
        case nil: return ExpectationResult(words, .inconclusive, "the API server was not asked for it")
        case .unread(let reason): return ExpectationResult(words, .inconclusive, reason)
        case .absent:
            return ExpectationResult(
                words, claim == .absent ? .met : .unmet, "the API server has no \(object.words)")
        case .found(let value): return judge(found: value)
        }
    }

    private func judge(found value: JSONValue) -> ExpectationResult {
        switch claim {
        case .present: return ExpectationResult(words, .met, "the API server has it")
        case .absent:
            let leaving = value["metadata"]?["deletionTimestamp"] != nil ? ", and it is being deleted" : ""
            return ExpectationResult(words, .unmet, "the API server still has it\(leaving)")
        case .condition(let type, let status):
            let conditions = value["status"]?["conditions"]?.elements ?? []
            guard let condition = conditions.first(where: { $0["type"]?.text == type }) else {
                let types = conditions.compactMap { $0["type"]?.text }
                return ExpectationResult(
                    words, .unmet,
                    "it has no condition \(type)"
                        + (types.isEmpty ? "" : ", but " + Self.shown(types.joined(separator: ", "))))
            }
            let found = condition["status"]?.text ?? "without a status"
            let why = ["reason", "message"].compactMap { condition[$0]?.text }.filter { !$0.isEmpty }
            return ExpectationResult(
                words, found == status ? .met : .unmet,
                Self.shown("\(type) is \(found)" + (why.isEmpty ? "" : ": " + why.joined(separator: ": "))))
        case .value(let path, let wanted):
            guard let found = (try? JSONPath(path))?.rendered(in: value) else {
                return ExpectationResult(words, .unmet, "it has nothing at \(path)")
            }
            return ExpectationResult(words, found == wanted ? .met : .unmet, Self.shown("\(path) is \"\(found)\""))
        }
    }

    /// What a server tells is of any length.
    private static func shown(_ text: String) -> String {
        PlainText.line(text, limit: 500)
    }
}
