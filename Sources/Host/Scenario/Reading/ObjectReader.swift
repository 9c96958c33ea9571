import Foundation
import KubeObjects
import NetAddress
import Policy
import ScenarioReading
import Shapes

/// What a manifest stands for.
enum Manifest {
    case workload(Workload)
    case object(ClusterObject)
    case served(ServedObject)

    /// `Service default/web`
    var name: String {
        switch self {
        case .workload(let workload): "\(workload.kind.rawValue) \(workload.namespace)/\(workload.name)"
        case .object(let object): "\(object.kind.manifestKind) \(object.key)"
        case .served(let object): object.manifest.words
        }
    }
}

extension ScenarioReader {
    /// An object from a manifest that its shape has passed; mistakes that only the whole object shows are reported
    /// here.
    mutating func object(_ value: YAMLValue) -> ClusterObject? {
        guard let kind = ObjectShapes.kinds.first(where: { $0.manifestKind == value["kind"]?.text }),
            let name = value["metadata"]?["name"]?.text, TextRule.dnsLabel.accepts(name)
        else { return nil }
        let before = checker.problems.count
        let object = decode(value, kind.type).map(ClusterObject.init)
        if let service = object?.object as? Service { check(service, value) }
        if let policy = object?.object as? any PolicyObject { check(policy, value) }
        if let slice = object?.object as? EndpointSlice, slice.service == nil {
            checker.report(
                value["metadata"]?.place ?? value.place,
                "EndpointSlice \(slice.key) has no label \(EndpointSlice.serviceNameLabel), so it belongs to no service"
            )
        }
        return checker.problems.count == before ? object : nil
    }

    private mutating func decode<Object: KubeObject>(_ value: YAMLValue, _ type: Object.Type) -> (any KubeObject)? {
        do {
            var object = try JSONDecoder().decode(Object.self, from: Data(value.json.utf8))
            if Object.isNamespaced, object.metadata.namespace.isEmpty { object.metadata.namespace = "default" }
            return object
        } catch let error as DecodingError {
            // Where the shapes found a mistake, it is reported already, in better words.
            if checker.problems.isEmpty {
                let (path, message) = Self.describe(error)
                checker.report(value.place(of: path), "\(Object.manifestKind): \(message)")
            }
        } catch {
            checker.report(value.place, "\(Object.manifestKind): \(error)")
        }
        return nil
    }

    private static func describe(_ error: DecodingError) -> (path: [any CodingKey], message: String) {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            return (context.codingPath, context.debugDescription)
        case .keyNotFound(let key, let context): return (context.codingPath, "\(key.stringValue) is missing")
        @unknown default: return ([], "\(error)")
        }
    }

    /// Reports everything for which the agents would refuse a policy: no part of such a policy is enforced.
    private mutating func check(_ policy: any PolicyObject, _ value: YAMLValue) {
        let lines = value.place.line...value.lastLine
        // What the shapes found in it is not said twice.
        guard !checker.problems.contains(where: { $0.file == checker.file && lines.contains($0.line) }) else { return }
        let reading = policy.read()
        for refusal in reading.refusals {
            checker.report(
                value.place(ofField: refusal.field),
                "\(refusal.policy) cannot be enforced: \(refusal.field): \(refusal.reason)")
        }
        if !l7Proxy, let unit = reading.units.first(where: \.readsRequests) {
            checker.report(
                value.place, "\(unit.policy) cannot be enforced: l7Proxy is false, so nobody reads requests")
        }
        selections += reading.units.flatMap { PolicySelection.all(of: $0, in: value, file: checker.file) }
    }

    /// Reports the policies that nobody can enforce once the step's values have taken away the proxy.
    mutating func checkPoliciesWithoutProxy(_ place: Place) {
        guard !l7Proxy else { return }
        for case let policy as any PolicyObject in objects.map(\.object) {
            guard let reading = (try? policy.units())?.first(where: \.readsRequests) else { continue }
            checker.report(
                place, "\(reading.policy) cannot be enforced any more: without l7Proxy nobody reads requests")
        }
    }

    private mutating func check(_ service: Service, _ value: YAMLValue) {
        let spec = value["spec"]
        let ports = spec?["ports"]?.items ?? []
        var names: Set<String> = []
        var numbers: Set<String> = []
        for (port, item) in zip(service.spec.ports, ports) {
            if ports.count > 1, port.name == nil {
                checker.report(item.place, "a port of Service \(service.key) needs a name, for there are several")
            }
            if let name = port.name, !names.insert(name).inserted {
                checker.report(item["name"]?.place ?? item.place, "port \"\(name)\" is given twice")
            }
            if !numbers.insert("\(port.protocol) \(port.port)").inserted {
                checker.report(item["port"]?.place ?? item.place, "port \(port.port) is given twice")
            }
            if port.nodePort == WorkloadPlacement.nodePort {
                checker.report(
                    item["nodePort"]?.place ?? item.place,
                    "\(WorkloadPlacement.nodePort) is the port on which the nodes themselves answer probes")
            }
            if let nodePort = port.nodePort, let other = objects.first(where: { $0.uses(nodePort, port.protocol) }),
                other.key != service.key
            {
                checker.report(
                    item["nodePort"]?.place ?? item.place, "node port \(nodePort) is Service \(other.key)'s already")
            }
        }
        if service.spec.ports.isEmpty, !service.isHeadless, service.spec.type != .externalName {
            checker.report((spec?["ports"] ?? spec ?? value).place, "Service \(service.key) has no port")
        }
        checkAddresses(of: service, value)
    }

    private mutating func checkAddresses(of service: Service, _ value: YAMLValue) {
        let spec = value["spec"]
        let place = (spec?["clusterIP"] ?? spec?["clusterIPs"] ?? spec ?? value).place
        for address in service.clusterAddresses {
            let holder = objects.lazy.compactMap { $0.object as? Service }
                .first { $0.key != service.key && $0.clusterAddresses.contains(address) }
            if let holder { checker.report(place, "clusterIP \(address) is Service \(holder.key)'s already") }
            guard let profile, let range = IPv4CIDR(network: profile.serviceCIDR) else { continue }
            guard let number = IPv4Address(address), range.contains(number) else {
                checker.report(
                    place, "clusterIP \(address) is not within the lab's services' \(profile.serviceCIDR)")
                continue
            }
            if range.prefixLength < 31, number == range.address || number == range.broadcast {
                checker.report(place, "clusterIP \(address) is the first or last address of \(profile.serviceCIDR)")
            }
        }
        for item in spec?["externalIPs"]?.items ?? [] {
            guard let text = item.text, let address = IPv4Address(text), let network = ReservedNetwork.of(address)
            else { continue }
            checker.report(
                item.place, "external address \(text) is of \(network.cidr) (\(network.name)), which no host can have")
        }
    }
}

extension ClusterObject {
    /// Whether it is a service that has this node port.
    fileprivate func uses(_ nodePort: UInt16, _ proto: TransportProtocol) -> Bool {
        guard let service = object as? Service else { return false }
        return service.spec.ports.contains { $0.nodePort == nodePort && $0.protocol == proto }
    }
}

extension YAMLValue {
    /// The line on which the last of its values begins.
    fileprivate var lastLine: Int {
        let inner = items.map(\.lastLine) + entries.map(\.value.lastLine)
        return max(place.line, inner.max() ?? place.line)
    }

    /// The value as JSON, plain scalars read by YAML's core schema.
    var json: String { jsonText.text() }

    private var jsonText: JSONText {
        switch content {
        case .list(let items): return .array(items.map(\.jsonText))
        case .map(let entries): return .object(entries.map { .init(key: $0.key, value: $0.value.jsonText) })
        case .scalar(let text, _):
            switch scalarKind {
            case .null: return .null
            case .flag: return .bool(text.lowercased() == "true")
            case .integer: return integer.map { .integer($0) } ?? .string(text)
            case .number: return Double(text).map { .number($0) } ?? .string(text)
            default: return .string(text)
            }
        }
    }

    /// Returns the place of the value at a path such as `spec.ingress[0].toPorts[1]`. If there is no such value, it is
    /// the place of the nearest one above.
    func place(ofField path: String) -> Place {
        var value = self
        for part in path.split(whereSeparator: { ".[]".contains($0) }) {
            let next = Int(part).map { value.items.indices.contains($0) ? value.items[$0] : nil } ?? value[String(part)]
            guard let next else { break }
            value = next
        }
        return value.place
    }

    /// Returns the place of the value at a path of keys and indices. If there is no such value, this is the place of
    /// the nearest one above.
    func place(of path: [any CodingKey]) -> Place {
        var value = self
        for key in path {
            if let index = key.intValue {
                guard value.items.indices.contains(index) else { break }
                value = value.items[index]
            } else {
                guard let next = value[key.stringValue] else { break }
                value = next
            }
        }
        return value.place
    }
}
