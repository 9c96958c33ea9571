import JSON

/// Probes: when they are due, and what their outcomes decide.
extension PodLife {
    mutating func driveProbes(_ world: inout World) {
        for index in containers.indices where !containers[index].isInit {
            guard let identity = containers[index].running, containers[index].stop == nil,
                !containers[index].awaitsPostStart
            else { continue }
            for kind in ProbeKind.allCases {
                guard let spec = containers[index].spec.probe(kind) else { continue }
                drive(index, kind, spec, identity, &world)
            }
        }
    }

    private mutating func drive(
        _ index: Int, _ kind: ProbeKind, _ spec: PodProbe, _ identity: ContainerIdentity, _ world: inout World
    ) {
        let now = world.now.monotonic
        if containers[index].probes[kind] == nil {
            let initial: Bool? = kind == .startup ? nil : kind == .liveness
            containers[index].probes[kind] = ContainerLife.Probe(
                result: initial, due: containers[index].startedAt + .seconds(spec.initialDelay))
        }
        // A startup probe is over when it has succeeded; the others wait for that.
        guard var probe = containers[index].probes[kind], !probe.isInFlight, !probe.isOnHold,
            containers[index].hasStarted != (kind == .startup)
        else { return }
        guard now >= probe.due else { return wakeAt(probe.due) }
        probe.due = now + .seconds(spec.period)
        do {
            let target = try target(spec.handler, containers[index].spec)
            probe.isInFlight = true
            world.actions.append(
                .probe(ProbeIdentity(container: identity, kind: kind), target, within: .seconds(spec.timeout)))
        } catch {
            world.record(
                subject(index), .warning, "Unhealthy", "\(kind.rawValue) probe errored: \(error.message)")
            wakeAt(probe.due)
        }
        containers[index].probes[kind] = probe
    }

    private func target(_ handler: PodHandler, _ container: PodContainer) throws(PortProblem) -> ProbeTarget {
        let address = addresses.first ?? ""
        switch handler {
        case .exec(let command):
            // Only variables with plain values are seen by a probe's command.
            let values = Dictionary(container.environment.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
            return .exec(command.map { Expansion.expand($0) { values[$0] } })
        case .http(let scheme, let host, let port, let path, let headers):
            return .http(
                isTLS: scheme == "HTTPS", host: host.isEmpty ? address : host, port: try port.resolve(in: container),
                path: path.hasPrefix("/") ? path : "/" + path, headers: headers)
        case .tcp(let host, let port):
            return .tcp(host: host.isEmpty ? address : host, port: try port.resolve(in: container))
        case .none:
            throw PortProblem(message: "missing probe handler for \(identity):\(container.name)")
        }
    }

    mutating func take(probe identity: ProbeIdentity, _ outcome: ProbeOutcome, _ world: inout World) {
        let (name, kind) = (identity.container.name, identity.kind)
        guard let index = index(of: name), containers[index].running == identity.container,
            let spec = containers[index].spec.probe(kind), var probe = containers[index].probes[kind]
        else { return }
        probe.isInFlight = false
        let isSuccess: Bool
        switch outcome {
        case .success: isSuccess = true
        case .warning(let output):
            isSuccess = true
            world.record(subject(index), .warning, "ProbeWarning", "\(kind.rawValue) probe warning: \(output)")
        case .failure(let output):
            isSuccess = false
            if containers[index].stop == nil {
                world.record(subject(index), .warning, "Unhealthy", "\(kind.rawValue) probe failed: \(output)")
            }
        case .unknown(let problem):
            world.record(subject(index), .warning, "Unhealthy", "\(kind.rawValue) probe errored: \(problem)")
            containers[index].probes[kind] = probe
            return
        }
        probe.run = probe.lastOutcome == isSuccess ? probe.run + 1 : 1
        probe.lastOutcome = isSuccess
        if probe.run >= (isSuccess ? spec.successThreshold : spec.failureThreshold) {
            probe.result = isSuccess
            if !isSuccess, kind != .readiness {
                probe.isOnHold = true
                probe.run = 0
            }
        }
        containers[index].probes[kind] = probe
        guard probe.isOnHold, ending == nil, containers[index].stop == nil else { return }
        let restarts = pod.spec.restartPolicy != .never
        stop(
            index,
            "Container \(name) failed \(kind.rawValue.lowercased()) probe" + (restarts ? ", will be restarted" : ""),
            grace: graceOfContainers, &world)
    }
}

/// The words of a kubelet's probes, for those who carry them out. Go's HTTP client and dialer write them.
public enum ProbeWords {
    public static func statusCode(_ code: Int) -> String { "HTTP probe failed with statuscode: \(code)" }

    /// What went wrong with a connection.
    public enum Trouble: Sendable {
        case refused, reset, timedOut, unreachable
        case endOfStream
        /// `x509: certificate signed by unknown authority`
        case other(String)
    }

    public static func http(_ url: String, host: String, port: UInt16, _ trouble: Trouble) -> String {
        let words: String
        switch trouble {
        case .timedOut:
            words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        case .endOfStream: words = "EOF"
        case .reset: words = "read tcp \(host):\(port): read: connection reset by peer"
        case .refused, .unreachable, .other: words = tcp(host: host, port: port, trouble)
        }
        return "Get \(GoText.quoted(url)): \(words)"
    }

    public static func tcp(host: String, port: UInt16, _ trouble: Trouble) -> String {
        switch trouble {
        case .refused: "dial tcp \(host):\(port): connect: connection refused"
        case .reset: "dial tcp \(host):\(port): connect: connection reset by peer"
        case .timedOut: "dial tcp \(host):\(port): i/o timeout"
        case .unreachable: "dial tcp \(host):\(port): connect: no route to host"
        case .endOfStream: "EOF"
        case .other(let words): words
        }
    }

    public static func url(isTLS: Bool, host: String, port: UInt16, path: String) -> String {
        "\(isTLS ? "https" : "http")://\(host):\(port)\(path)"
    }
}
