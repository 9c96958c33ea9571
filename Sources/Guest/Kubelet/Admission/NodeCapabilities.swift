import JSON

/// What a pod's spec may ask of a node, field by field. A field that a node does not act on is refused when it asks for
/// something, and one that is in no row is refused as well, so that nothing is ignored in silence.
///
/// `docs/reference/node.md` has this table.
public enum NodeCapabilities {
    public enum Support: Sendable, Equatable {
        /// The node acts on it.
        case acted
        /// It is accepted, for the reason given: it asks nothing of a node.
        case accepted(String)
        /// Refused, for the reason given, unless it is empty, false, 0 or one of the values that ask for nothing.
        case refused(String, except: [String])
    }

    public struct Row: Sendable {
        /// The path below `spec`, lists with `[]`. Everything below it is covered too, as far as no row says more.
        public let path: String
        public let support: Support
        /// What the node does about it.
        public let note: String
    }

    private static func acted(_ path: String, _ note: String = "") -> Row {
        Row(path: path, support: .acted, note: note)
    }
    private static func accepted(_ path: String, _ reason: String) -> Row {
        Row(path: path, support: .accepted(reason), note: reason)
    }
    private static func refused(_ path: String, _ reason: String, except: [String] = []) -> Row {
        Row(path: path, support: .refused(reason, except: except), note: reason)
    }

    /// Rows of a pod's own fields.
    static let podRows: [Row] = [
        acted("activeDeadlineSeconds", "`DeadlineExceeded`"),
        acted(
            "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution", "checked again when the pod arrives"
        ),
        accepted("affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution", "the scheduler's"),
        accepted("affinity.podAffinity", "the scheduler's"),
        accepted("affinity.podAntiAffinity", "the scheduler's"),
        accepted("automountServiceAccountToken", "the API server's"),
        acted("containers[]"),
        acted("dnsConfig", "`nameservers`, `searches`, `options`; 3 servers, 6 search paths of 256 characters"),
        acted("dnsPolicy"),
        acted("enableServiceLinks"),
        refused("ephemeralContainers", "no container is added to a pod that runs"),
        acted("hostAliases"),
        refused("hostIPC", "System V IPC is not shared with the node"),
        acted("hostNetwork"),
        refused("hostPID", "a pod's processes are not those of the node"),
        refused("hostUsers", "pods have no user namespaces of their own", except: ["true"]),
        acted("hostname"),
        accepted("imagePullSecrets", "images are mapped to programs of the lab, none is pulled"),
        acted("initContainers[]", "one after the other, before the others"),
        acted("nodeName"),
        acted("nodeSelector", "checked again when the pod arrives"),
        refused("os", "nodes run Linux", except: ["linux"]),
        refused("overhead", "there are no runtime classes"),
        accepted("preemptionPolicy", "the scheduler's"),
        acted("priority", "the order of eviction"),
        accepted("priorityClassName", "the API server's"),
        acted("readinessGates"),
        refused("resourceClaims", "there are no devices to claim"),
        acted("restartPolicy"),
        refused("runtimeClassName", "there are no runtime classes"),
        accepted("schedulerName", "the scheduler's"),
        accepted("schedulingGates", "the scheduler's"),
        acted("securityContext.fsGroup", "owner of the files of its volumes"),
        accepted("securityContext.fsGroupChangePolicy", "volumes are made anew with each pod"),
        acted("securityContext.runAsGroup"),
        acted("securityContext.runAsNonRoot"),
        acted("securityContext.runAsUser"),
        refused("securityContext.appArmorProfile", "nodes have no AppArmor", except: ["RuntimeDefault", "Unconfined"]),
        refused("securityContext.seLinuxOptions", "nodes have no SELinux"),
        refused(
            "securityContext.seccompProfile", "programs run without a filter of system calls",
            except: ["RuntimeDefault", "Unconfined"]),
        acted("securityContext.supplementalGroups"),
        acted("securityContext.sysctls", "the safe ones, and `net.*` of the pod's own network"),
        refused("securityContext.windowsOptions", "nodes run Linux"),
        acted("serviceAccount"),
        acted("serviceAccountName", "tokens of projected volumes"),
        acted("setHostnameAsFQDN"),
        refused("shareProcessNamespace", "each container has processes of its own"),
        acted("subdomain"),
        acted("terminationGracePeriodSeconds"),
        acted("tolerations", "of pressure, when the pod arrives; taints are the controllers'"),
        accepted("topologySpreadConstraints", "the scheduler's"),
        refused("volumes[]", "the node has no such kind of volume"),
        acted("volumes[].name"),
        acted(
            "volumes[].emptyDir",
            "`medium: Memory` and `sizeLimit` too; `sizeLimit` holds for memory, of which there is at most 64 MiB"),
        acted("volumes[].configMap", "`items`, `defaultMode`, `optional`; changes reach the files"),
        acted("volumes[].secret", "as configMap"),
        acted("volumes[].downwardAPI"),
        acted("volumes[].projected.defaultMode"),
        acted("volumes[].projected.sources[].configMap"),
        acted("volumes[].projected.sources[].secret"),
        acted("volumes[].projected.sources[].downwardAPI"),
        acted("volumes[].projected.sources[].serviceAccountToken", "renewed after 80 % of its time"),
        acted("volumes[].hostPath"),
    ]

    /// Rows of the fields of a container, init or not.
    static let containerRows: [Row] = [
        acted("args", "`$(NAME)` is expanded"),
        acted("command", "`$(NAME)` is expanded"),
        acted("env[].name"),
        acted("env[].value", "`$(NAME)` is expanded"),
        acted("env[].valueFrom.configMapKeyRef"),
        acted("env[].valueFrom.secretKeyRef"),
        acted("env[].valueFrom.fieldRef"),
        acted("env[].valueFrom.resourceFieldRef", "cpu, memory, ephemeral-storage"),
        acted("envFrom[].prefix"),
        acted("envFrom[].configMapRef"),
        acted("envFrom[].secretRef"),
        acted("image", "a name of the image catalogue"),
        acted("imagePullPolicy", "decides what is told; nothing is pulled"),
        acted("lifecycle.postStart.exec"),
        acted("lifecycle.postStart.httpGet"),
        acted("lifecycle.preStop.exec"),
        acted("lifecycle.preStop.httpGet"),
        refused("lifecycle.stopSignal", "programs are asked to end by SIGTERM", except: ["SIGTERM"]),
        acted("name"),
        acted(
            "ports[]",
            "`hostPort` and `hostIP`: no two pods have the same; served for TCP and UDP by the datapath with "
                + "`hostPort.enabled` or `kubeProxyReplacement`, and by CNI plugins with the capability `portMappings`; "
                + "else by nobody, as with a kubelet"),
        refused(
            "resizePolicy", "resources of a running container are not changed",
            except: ["NotRequired", "cpu", "memory"]),
        acted("resources.limits.cpu", "`cpu.max`"),
        acted("resources.limits.memory", "`memory.max`"),
        accepted("resources.limits.ephemeral-storage", "files of pods are in memory, which has a limit of its own"),
        acted("resources.requests.cpu", "`cpu.weight`, admission"),
        acted("resources.requests.memory", "admission, eviction"),
        acted("resources.requests.ephemeral-storage", "admission"),
        refused("resources.claims", "there are no devices to claim"),
        refused("resources.limits", "the node has no such resource"),
        refused("resources.requests", "the node has no such resource"),
        refused("restartPolicy", "an init container runs to its end"),
        acted("securityContext.allowPrivilegeEscalation"),
        refused("securityContext.appArmorProfile", "nodes have no AppArmor", except: ["RuntimeDefault", "Unconfined"]),
        acted("securityContext.capabilities", "containerd's set without them"),
        acted("securityContext.privileged", "all capabilities, a `/sys` to write to; no more devices than others"),
        refused("securityContext.procMount", "`/proc` is masked as usual", except: ["Default"]),
        acted("securityContext.readOnlyRootFilesystem"),
        acted("securityContext.runAsGroup"),
        acted("securityContext.runAsNonRoot"),
        acted("securityContext.runAsUser"),
        refused("securityContext.seLinuxOptions", "nodes have no SELinux"),
        refused(
            "securityContext.seccompProfile", "programs run without a filter of system calls",
            except: ["RuntimeDefault", "Unconfined"]),
        refused("securityContext.windowsOptions", "nodes run Linux"),
        acted("stdin"),
        acted("stdinOnce"),
        acted("terminationMessagePath"),
        acted("terminationMessagePolicy"),
        acted("tty"),
        refused("volumeDevices", "nodes have no block devices for pods"),
        acted("volumeMounts[].name"),
        acted("volumeMounts[].mountPath"),
        refused("volumeMounts[].mountPropagation", "mounts are private", except: ["None"]),
        acted("volumeMounts[].readOnly"),
        acted("volumeMounts[].subPath"),
        acted("volumeMounts[].subPathExpr"),
        acted("workingDir"),
    ]

    static let probeRows: [Row] = [
        acted("exec"),
        acted("httpGet", "HTTP and HTTPS; certificates are not verified; redirects within the host are followed"),
        acted("tcpSocket"),
        refused("grpc", "probes are exec, httpGet and tcpSocket"),
        acted("initialDelaySeconds", "the first probe comes right after it"),
        acted("timeoutSeconds"),
        acted("periodSeconds"),
        acted("successThreshold"),
        acted("failureThreshold"),
        refused("terminationGracePeriodSeconds", "the pod's own counts"),
    ]

    /// Every row, containers and probes below `containers[]`.
    public static let rows: [Row] =
        podRows.filter { $0.path != "containers[]" && $0.path != "initContainers[]" }
        + [acted("initContainers[]", "as `containers[]`, one after the other, before the others")]
        + containerRows.map { Row(path: "containers[]." + $0.path, support: $0.support, note: $0.note) }
        + ["livenessProbe", "readinessProbe", "startupProbe"].flatMap { probe in
            probeRows.map { Row(path: "containers[].\(probe).\($0.path)", support: $0.support, note: $0.note) }
        }

    /// What of a pod's spec the node would have to ignore.
    public struct Refusal: Sendable, Hashable, CustomStringConvertible {
        /// `spec.containers[1].volumeDevices`
        public let path: String
        public let reason: String
        public var description: String { "\(path): \(reason)" }
    }

    /// How many refusals are told at once.
    static let refusalLimit = 8

    /// - Parameter spec: The `spec` of a pod as the API has it.
    public static func refusals(_ spec: JSONValue) -> [Refusal] {
        var walk = Walk()
        walk.visit(spec, path: "spec", key: "")
        return Array(walk.refusals.prefix(refusalLimit))
    }

    private static let table: [String: Support] = Dictionary(
        rows.filter { $0.path != "initContainers[]" }.map { ($0.path, $0.support) },
        uniquingKeysWith: { first, _ in first })

    /// The paths that lead to a row.
    private static let inner: Set<String> = {
        var inner: Set<String> = [""]
        for path in table.keys {
            var parts = path.split(separator: ".")
            while !parts.isEmpty {
                let key = parts.joined(separator: ".")
                if key != path { inner.insert(key) }
                if key.hasSuffix("[]") { inner.insert(String(key.dropLast(2))) }
                parts.removeLast()
            }
        }
        return inner
    }()

    private static func isKnown(_ key: String) -> Bool { table[key] != nil || inner.contains(key) }

    private struct Walk {
        var refusals: [Refusal] = []

        /// - Parameter key: The path in the table's form, in which init containers are containers.
        mutating func visit(_ value: JSONValue, path: String, key: String) {
            guard refusals.count < refusalLimit else { return }
            // Where true asks for nothing, false is what asks.
            if value == .bool(false), case .refused(let reason, let exceptions) = table[key],
                exceptions.contains("true")
            {
                refusals.append(Refusal(path: path, reason: reason))
                return
            }
            guard asks(value) else { return }
            if let support = table[key] {
                if case .refused(let reason, let exceptions) = support {
                    // A structure whose parts have rows of their own is judged by them first.
                    if inner.contains(key), let members = value.members {
                        for (name, value) in members.sorted(by: { $0.key < $1.key })
                        where !isKnown("\(key).\(name)") {
                            refuse(value, "\(path).\(name)", reason, exceptions)
                        }
                        visitParts(value, path: path, key: key, onlyRows: true)
                    } else {
                        refuse(value, path, reason, exceptions)
                    }
                }
                return
            }
            guard inner.contains(key) else {
                refusals.append(Refusal(path: path, reason: "the node does not know this field"))
                return
            }
            visitParts(value, path: path, key: key, onlyRows: false)
        }

        private mutating func visitParts(_ value: JSONValue, path: String, key: String, onlyRows: Bool) {
            switch value {
            case .object(let members):
                for (name, value) in members.sorted(by: { $0.key < $1.key }) {
                    let known = name == "initContainers" && key.isEmpty ? "containers" : name
                    let below = key.isEmpty ? known : "\(key).\(known)"
                    if onlyRows && !isKnown(below) { continue }
                    visit(value, path: "\(path).\(name)", key: below)
                }
            case .array(let elements):
                for (index, element) in elements.enumerated() {
                    visit(element, path: "\(path)[\(index)]", key: key + "[]")
                }
            default: break
            }
        }

        private mutating func refuse(
            _ value: JSONValue, _ path: String, _ reason: String, _ exceptions: [String]
        ) {
            guard asks(value), !isExcepted(value, exceptions) else { return }
            refusals.append(Refusal(path: path, reason: reason))
        }

        /// Whether all texts of a value are among those that ask for nothing.
        private func isExcepted(_ value: JSONValue, _ exceptions: [String]) -> Bool {
            switch value {
            case .string(let text): exceptions.contains(text)
            case .bool(let bool): exceptions.contains("\(bool)")
            case .object(let members):
                !exceptions.isEmpty && members.values.allSatisfy { isExcepted($0, exceptions) }
            case .array(let elements):
                !exceptions.isEmpty && elements.allSatisfy { isExcepted($0, exceptions) }
            default: false
            }
        }

        /// Whether a value asks for anything.
        private func asks(_ value: JSONValue) -> Bool {
            switch value {
            case .null, .bool(false), .integer(0), .string(""): false
            case .array(let elements): !elements.isEmpty
            case .object(let members): !members.isEmpty
            default: true
            }
        }
    }
}
