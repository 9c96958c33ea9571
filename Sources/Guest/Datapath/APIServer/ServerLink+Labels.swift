import AgentAPI
import CNI
import JSON
import KubeClient

/// The labels of a pod, of which its container runtime says nothing.
extension ServerLink {
    /// How long a pod waits for its labels.
    private static let labelPatience = Duration.seconds(10)

    /// Returns an ADD with the labels that the pod's object has.
    ///
    /// labrun's own kubelet says them in `CNI_ARGS`. Kubernetes' kubelet says who the pod is, by way of its container
    /// runtime, and the id of its sandbox (`K8S_POD_INFRA_CONTAINER_ID`).
    ///
    /// - Throws: `CNIError` `tryAgainLater` when the API server has no such pod or does not answer.
    func describing(_ request: CNIRequest) throws(CNIError) -> CNIRequest {
        guard request.command == "ADD", Self.leavesLabelsOut(request.arguments),
            var arguments = try? CNIArguments(parsing: request.arguments)
        else { return request }
        let (pod, client) = ("\(arguments.namespace)/\(arguments.name)", client)
        let path = KubeResource.pods.path(namespace: arguments.namespace, name: arguments.name)
        do {
            let body = try Waiting<KubeBody>.run(until: .after(Self.labelPatience + .seconds(1))) {
                try await client.ask(KubeRequest(path: path), within: Self.labelPatience)
            }
            guard let body else { throw CNIError(.tryAgainLater, "no answer of the API server in time") }
            let labels = try JSONText.value(of: body.octets)["metadata"]?["labels"]?.members ?? [:]
            arguments.labels = labels.compactMapValues(\.text)
        } catch {
            throw CNIError(.tryAgainLater, "the labels of pod \(pod) are not known: \(error)")
        }
        return CNIRequest(
            command: request.command, containerID: request.containerID, netns: request.netns,
            interface: request.interface, arguments: arguments.text, configuration: request.configuration)
    }

    static func leavesLabelsOut(_ arguments: String) -> Bool {
        let keys = Set(arguments.split(separator: ";").map { $0.prefix { $0 != "=" } })
        return keys.isSuperset(of: ["K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_NAMESPACE", "K8S_POD_NAME"])
            && !keys.contains("LABRUN_LABELS")
    }

    /// The answer to a call that failed before it began.
    static func refusal(of request: CNIRequest, _ failure: CNIError) -> CNIReply {
        Log.warning("CNI command failed", ["command": request.command, "error": "\(failure)"])
        let version = CNIConfiguration.versionText(of: request.configuration)
        return CNIReply(output: failure.json(version: version), exitStatus: 1)
    }
}
