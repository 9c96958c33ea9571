import AgentAPI
import CNI
import JSON
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

extension AgentCore {
    /// Carries out a command of the CNI specification.
    mutating func answer(_ request: CNIRequest) -> CNIReply {
        do {
            let environment = try CNIEnvironment(
                command: request.command, containerID: request.containerID, netns: request.netns,
                interface: request.interface, arguments: request.arguments)
            if environment.command == .version {
                return CNIReply(output: CNIText.encode(CNIVersionResult()), exitStatus: 0)
            }
            let configuration = try CNIConfiguration(parsing: request.configuration)
            return CNIReply(output: try carryOut(environment, configuration), exitStatus: 0)
        } catch {
            let failure = CNIError(mapping: error, command: request.command)
            Log.warning(
                "CNI command failed",
                ["command": request.command, "container": request.containerID, "error": "\(failure)"])
            let version = CNIConfiguration.versionText(of: request.configuration)
            return CNIReply(output: failure.json(version: version), exitStatus: 1)
        }
    }

    private mutating func carryOut(
        _ environment: CNIEnvironment, _ configuration: CNIConfiguration
    ) throws -> String {
        let key = AttachmentKey(containerID: environment.containerID, interface: environment.interface)
        guard key.containerID != EndpointRecord.healthContainerID else {
            throw CNIError(.invalidEnvironment, "CNI_CONTAINERID is reserved", details: key.containerID)
        }
        switch environment.command {
        case .add:
            return try add(key, environment, configuration)
        case .del:
            let known = endpoints[key]
            try disconnect(key)
            if let known { Log.info("endpoint removed", ["id": "\(known.id)", "address": known.address]) }
            return ""
        case .check:
            try checkEndpoint(key, environment, configuration)
            return ""
        case .version:
            return CNIText.encode(CNIVersionResult())
        }
    }

    /// Handles ADD. A repeated ADD for the same attachment gives the same answer if the endpoint is complete, and
    /// connects anew if not, because the runtime may not have received the first answer.
    private mutating func add(
        _ key: AttachmentKey, _ environment: CNIEnvironment, _ configuration: CNIConfiguration
    ) throws -> String {
        let arguments = try CNIArguments(parsing: environment.arguments)
        if let present = endpoints[key] {
            // A client of the API server knows the labels better than a runtime that asks once more.
            let hasLabels = present.labels == arguments.labels || identities.allocation != nil
            if present.phase == .ready, present.netns == environment.netns, hasLabels,
                present.isChained == settings.chains, try problem(of: present) == nil
            {
                return try result(of: present, configuration)
            }
            try disconnect(key)
        }
        if settings.chains { return try addChained(key, environment, configuration, arguments) }
        let endpoint = try connect(
            key, netns: environment.netns, namespace: arguments.namespace, name: arguments.name,
            labels: arguments.labels)
        Log.info(
            "endpoint connected",
            [
                "id": "\(endpoint.id)", "pod": "\(endpoint.namespace)/\(endpoint.name)", "address": endpoint.address,
                "identity": "\(endpoint.identity)", "interface": endpoint.hostInterface,
            ])
        return try result(of: endpoint, configuration)
    }

    /// Returns the answer to ADD. For a chained endpoint, it is the previous plugin's answer.
    func result(of endpoint: EndpointRecord, _ configuration: CNIConfiguration) throws -> String {
        guard endpoint.isChained else {
            return CNIResult.connecting(endpoint, router: router.description, configuration: configuration).json
        }
        guard var members = configuration.document["prevResult"]?.members else {
            throw CNIError(
                .invalidConfiguration, "generic-veth needs a plugin before it in the chain: prevResult is missing")
        }
        members["cniVersion"] = .string(configuration.version.rawValue)
        return CNIText.encode(JSONValue.object(members))
    }

    private func checkEndpoint(
        _ key: AttachmentKey, _ environment: CNIEnvironment, _ configuration: CNIConfiguration
    ) throws {
        guard let previous = configuration.previousResult else {
            throw CNIError(.invalidConfiguration, "CHECK needs prevResult")
        }
        guard let endpoint = endpoints[key], endpoint.phase == .ready else {
            throw CNIError(.unknownContainer, "the agent has no such endpoint", details: key.containerID)
        }
        guard (previous.ips ?? []).contains(where: { IPv4CIDR($0.address)?.address.description == endpoint.address })
        else {
            throw CNIError(.checkFailed, "prevResult lacks the endpoint's address", details: endpoint.address)
        }
        guard endpoint.netns == environment.netns else {
            throw CNIError(.checkFailed, "the endpoint is in another network namespace", details: endpoint.netns)
        }
        if let problem = try problem(of: endpoint) {
            throw CNIError(.checkFailed, "the endpoint is not as it was made", details: problem)
        }
    }

    /// Returns what is wrong with an endpoint in the kernel, or nil.
    func problem(of endpoint: EndpointRecord) throws -> String? {
        if endpoint.isChained { return try chainedProblem(of: endpoint) }
        guard let link = try netlink.findLink(named: endpoint.hostInterface), Int(link.index) == endpoint.ifindex else {
            return "\(endpoint.hostInterface) is missing on the node"
        }
        guard link.isUp else { return "\(endpoint.hostInterface) is down" }
        if let problem = try programs.problem(endpointInterface: endpoint.ifindex) { return problem }
        guard try programs.maps.contains(endpoint) else { return "the datapath's maps lack the endpoint" }
        do throws(SystemError) {
            _ = try NetworkNamespace(path: endpoint.netns)
        } catch {
            return "\(error)"
        }
        return try PodNetwork.problem(endpoint, router: router, namespace: try NetworkNamespace(path: endpoint.netns))
    }
}

extension CNIError {
    /// Maps an error of the agent to a code of the specification.
    init(mapping error: any Error, command: String) {
        switch error {
        case let error as CNIError: self = error
        case let error as AgentError:
            self.init(.invalidEnvironment, "CNI_ARGS cannot be read", details: error.message)
        case DatapathError.addressesExhausted, DatapathError.interfacesExhausted:
            self.init(.addressesExhausted, "\(error)")
        case DatapathError.addressesPending, DatapathError.identityUnknown: self.init(.tryAgainLater, "\(error)")
        case DatapathError.identityCollision: self.init(.identityCollision, "\(error)")
        case let error as SystemError where error.code == ENOENT && error.call == "open":
            self.init(.invalidEnvironment, "CNI_NETNS does not exist", details: error.subject)
        case let error as SystemError where error.code == EEXIST && error.call == "rtnl_link_add":
            self.init(
                .conflictingContainer, "the pod's network namespace has an interface of this name already",
                details: "\(error)")
        default: self.init(.setupFailed, "\(command) failed", details: "\(error)")
        }
    }
}
