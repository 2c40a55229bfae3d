/* SPDX-License-Identifier: Apache-2.0 */
/* schemas.c - what bodies and answers look like, in a short notation that becomes JSON Schema.
 *
 *   s i n b t     text, whole number, number, true or false, time (RFC 3339)
 *   o a           any object; anything
 *   (one two)     one of these texts
 *   [X]           a list of X
 *   *X            an object whose members, whatever their names, are X
 *   <X Y>         one of these
 *   {name:X ...}  an object; name?:X may be left out
 *   @Name         the schema of that name
 *   X|            X or null
 *
 * A ! before the text of an object says that it has no other members: bodies are read so. Answers may gain some. Every name that a route has is here;
 * one that is anything
 * says why (ANYTHING). docs/json.md tells more of the shapes that the command line prints as well. */
#include "server/openapi.h"

#define ANYTHING LS_SCHEMA_ANYTHING
#define PAGE(item) "{items:[" item "] next:s|}"
#define LIST(item) "{items:[" item "]}"
/* As in lockstep.yaml; a post may be its URL alone. */
#define SCHEDULE_SETTINGS                                                      \
    " sync?:s queue?:b post?:a zone?:s| overlap?:@Overlap catch_up?:@CatchUp " \
    "catch_up_within?:s| jitter?:s| hours?:s| timeout?:s| retries?:i"

/* A record that an application and its admin panel know, besides the fields of its collection. */
#define RECORD "last_updated_at:t| last_synced_at:t| sync_status:s|"
#define LEARNING RECORD " last_accessed_at:t|"
#define METADATA "metadata:{timestamp:t version:s}"
#define ONE(name, record) "{data:{success:b " name ":" record "} " METADATA "}"
#define CHANGED(name, record) \
    "{data:{success:b " name ":" record " event:@WrittenEvent|} " METADATA "}"
#define MANY(name, record)                                                                      \
    "{data:{success:b " name ":[" record                                                        \
    "]} metadata:{timestamp:t version:s pagination:{limit:i count:i hasMore:b next:s| page?:i " \
    "total?:i totalPages?:i}}}"

#define ENDPOINT_SETTINGS \
    " types?:[s] policy?:<s o> rate?:n| concurrency?:i| timeout_ms?:i| headers?:*s paused?:b"

#define QSTASH_SENDING                                                                           \
    "body?:s bodyBase64?:s callback?:s failureCallback?:s queueName?:s callerIP?:s callerIp?:s " \
    "retryDelayExpression?:s flowControlKey?:s parallelism?:i rate?:i period?:i label?:s "       \
    "labels?:[s]"
#define QSTASH_MESSAGE                                                                          \
    "messageId:s url:s method:s header:*[s] maxRetries:i notBefore:i createdAt:i topicName?:s " \
    "endpointName?:s scheduleId?:s " QSTASH_SENDING
#define QSTASH_ANSWER "responseStatus?:i responseHeader?:*[s] responseBody?:s responseBodyBase64?:s"

const struct ls_schema_text ls_schemas[] = {
    /* errors */
    {"Problem", "{type:s title:s status:i code:s detail:s instance?:s request?:s}"},
    {"DataError", "{data:{success:b error:{code:s message:s}} metadata:{timestamp:t version:s}}"},
    {"SuccessError", "{success:b message:s}"},
    {"PlainError", "{error:s}"},
    /* messages, as QStash's clients know them */
    {"Bytes", ANYTHING "The body of a message: any bytes, of any type"},
    {"Nothing",
     ANYTHING "Ignored: the clients of QStash send what they like where nothing is needed"},
    {"QstashBatch", "[{destination:s headers?:*s body?:s| queue?:s|}]"},
    {"QstashMade", "{messageId:s url?:s deduplicated?:b}"},
    {"QstashPosted", "<@QstashMade [@QstashMade]>"},
    {"QstashPostedAll", "[@QstashPosted]"},
    {"QstashMessageIds", "!{messageIds?:@Texts}"},
    {"QstashDeadIds", "!{dlqIds?:@Texts}"},
    {"QstashCancelled", "{cancelled:i}"},
    {"QstashKeys", "{current:s next:s}"},
    {"QstashMessage", "{" QSTASH_MESSAGE "}"},
    {"QstashDeadLetter", "{dlqId:s " QSTASH_MESSAGE " " QSTASH_ANSWER "}"},
    {"QstashDead", "{messages:[@QstashDeadLetter] cursor?:s}"},
    {"QstashDeleted", "{deleted:i cursor?:s}"},
    {"QstashRetried", "{responses:[{messageId:s}] cursor?:s}"},
    {"QstashLog", "{time:i state:(CREATED ACTIVE ERROR RETRY DELIVERED FAILED CANCELED) "
                  "nextDeliveryTime?:i error?:s " QSTASH_MESSAGE " " QSTASH_ANSWER "}"},
    {"QstashEvents", "{events:[@QstashLog] cursor?:s}"},
    {"QstashLogs", "{logs:[@QstashLog] cursor?:s}"},
    {"QstashSchedule", "{scheduleId:s cron:s destination:s createdAt:i isPaused:b method:s "
                       "retries:i nextScheduleTime?:i lastScheduleTime?:i delay?:i "
                       "lastScheduleStates?:*s header?:*[s] " QSTASH_SENDING "}"},
    {"QstashSchedules", "[@QstashSchedule]"},
    {"QstashScheduleId", "{scheduleId:s}"},
    {"QstashQueue", "{name:s createdAt:i updatedAt:i parallelism:i lag:i paused:b}"},
    {"QstashQueues", "[@QstashQueue]"},
    {"QstashQueueWish", "!{queueName:s parallelism?:i paused?:b}"},
    {"QstashFlow", "{flowControlKey:s waitListSize:i parallelismMax:i parallelismCount:i rateMax:i "
                   "rateCount:i ratePeriod:i ratePeriodStart:i isPaused:b isPinnedParallelism:b "
                   "isPinnedRate:b}"},
    {"QstashParallelism", "{parallelismMax:i parallelismCount:i}"},
    {"QstashEndpoints", "{endpoints:[{name?:s url?:s}]}"},
    {"QstashGroup", "{name:s createdAt:i updatedAt:i endpoints:[{name?:s url:s}]}"},
    {"QstashGroups", "[@QstashGroup]"},
    /* the server */
    {"Health", "{status:(ok degraded stopping) version:s started_at:t uptime_s:i state:{healthy:b "
               "detail:s} services:[{name:s healthy:b detail?:s}] workers:o}"},
    {"OpenApi", "{openapi:s info:o paths:o components:o}"},
    {"Version", "{name:s version:s}"},
    {"Settings", "{version:s url:s syncs:i configuration:s| journal_keep:{days:i bytes:i} state:s| "
                 "hosts:[s] metrics:(viewer public) tls:b loopback:b}"},
    /* callers */
    {"Me", "{kind:(token session jwt nextauth cron qstash key) name:s role:s user:s| "
           "csrf_token?:s}"},
    {"Credentials", "!{name:s password:s}"},
    {"Login", "{name:s csrf_token:s}"},
    {"Passwords", "!{current:s password:s}"},
    {"Setup", "!{secret:s name:s password:s}"},
    {"Token", "{id:s name:s role:@Role owner:s| made_by:s created:t expires:t| last_used:t| "
              "revoked:t| token?:s}"},
    {"Tokens", PAGE("@Token")},
    {"NewToken", "!{name:s role:@Role owner?:s expires_in_s?:i}"},
    {"Role", "(user viewer operator admin service)"},
    {"User", "{name:s role:@Role created:t changed:t last_login:t| disabled:t|}"},
    {"Users", PAGE("@User")},
    {"NewUser", "!{name:s role:(user viewer operator admin) password:s}"},
    {"UserChange", "!{role?:(user viewer operator admin) password?:s state?:(active disabled)}"},
    /* what is kept */
    {"AuditEntry", "{seq:i at:t actor:s action:s subject:s detail:o}"},
    {"AuditList", PAGE("@AuditEntry")},
    {"AuditVerdict", "{entries:i valid:b reason?:s}"},
    {"PruneRequest", "!{keep_days?:i keep_bytes?:i}"},
    {"Pruned", "{runs:i bytes:i}"},
    /* syncs, plans, runs */
    {"Side", "{store:s collection:s|}"},
    {"Sync", "{name:s source:@Side target:@Side key:[s] fields:o where:s| target_where:s| "
             "deletes:s atomic:b active:[o]}"},
    {"SyncList", PAGE("@Sync")},
    {"Status", "{sync:s source:s target:s total:i in_sync:i source_only:i target_only:i "
               "inconsistent:i moving:i conflict:i duration_ms:i}"},
    {"DiffLine", "o"},
    {"Finding", "{level:s sync:s| what:s text:s}"},
    {"Findings", "{ok:b items:[@Finding]}"},
    {"Plan", "{plan:s sync:s source:s target:s made_at:t inserts:i updates:i deletes:i unchanged:i "
             "moving:i kept:i bytes:i}"},
    {"PlanList", PAGE("@Plan")},
    {"PlanRequest", "!{sync:s full?:b only?:@Texts}"},
    {"ApplyRequest", "!{full?:b wait?:b force?:@Texts}"},
    {"RunRequest", "!{sync:s kind?:s full?:b create?:b dry_run?:b wait?:b force?:@Texts "
                   "only?:@Texts}"},
    {"WaitRequest", "!{wait?:b}"},
    {"Texts", "[s]"},
    {"RunAccepted", "{id:s status:s}"},
    {"Run", "{run:i id:s sync:s kind:s status:(running completed partial_success failed "
            "interrupted cancelled stopped) created:i updated:i deleted:i failed:i conflicts:i}"},
    {"RunList", PAGE("@Run")},
    {"ActiveRunList", PAGE("o")},
    {"Cancelling", "{status:s}"},
    {"LogList", PAGE("{at:t text:s}")},
    {"RunErrorList", PAGE("{at:t error:s}")},
    {"Receipt", "{run:i id:s sync:s kind:s source:s target:s status:s finished_at:t counts:o "
                "scope:s prev:s hash:s}"},
    {"ReceiptList", PAGE("@Receipt")},
    /* events */
    {"Accepted", "{accepted:[{seq:i id:s known:b}] delivered?:b}"},
    {"NewEvent",
     "{id?:s type:s resourceId:s resourceType?:s data?:a timestamp?:t retryCount?:i status?:s}"},
    {"Events", "<@NewEvent [@NewEvent]>"},
    {"EventLine", "{seq:i id:s type:s accepted_at:t status:s deliveries:i delivered:i}"},
    {"EventPage", PAGE("@EventLine")},
    {"Event", "{seq:i id:s type:s accepted_at:t status:s data:a to:[{endpoint:s state:s attempts:i "
              "due_at:t| done_at:t| reason:s tries:[o]}]}"},
    {"Queue", "{pending:i processing:i waiting:i failed:i dead:i oldest_at:t|}"},
    {"Deliveries", "{deliveries:i}"},
    {"Endpoint", "{name:s url:s origin:s settings:o secrets:i old_secret_until:t| paused:b "
                 "disabled:s pending:i dead:i}"},
    {"EndpointNew", "!{name:s url:s" ENDPOINT_SETTINGS " secret?:s|}"},
    {"EndpointChange", "!{url?:s" ENDPOINT_SETTINGS "}"},
    {"Endpoints", LIST("@Endpoint")},
    {"AttemptPage",
     PAGE("{event:s type:s number:i at:t duration_ms:i status:i address:s error:s}")},
    {"EndpointTest", "{event:s}"},
    {"SecretRotation", "!{secret?:s keep_s?:i}"},
    /* receivers */
    {"Message", ANYTHING "What the sender signs, in the form of its scheme; the receiver's "
                         "expressions say where it has what"},
    {"SyncEvent", "{id:s type:s resourceId:s resourceType?:s data?:a timestamp?:t retryCount?:i "
                  "status?:s}"},
    {"Reception", "{id:s receiver:s outcome:(waiting applied stale ignored) known:b detail:o}"},
    {"WebhookAnswer", "{data:{success:b id:s outcome:s known:b} metadata:{timestamp:t version:s}}"},
    {"Receiver", "{name:s scheme:s path:s does:(apply sync) to:[s] received:{waiting:i applied:i "
                 "stale:i ignored:i refused:i} last_received_at:t|}"},
    {"Receivers", LIST("@Receiver")},
    /* schedules */
    {"Schedule", "{id:s cron:s zone?:s words?:s action:(sync queue post message) sync?:s queue?:b "
                 "post?:{url:s method:s headers:[s] body_bytes:i} message?:{to:s body_bytes:i} "
                 "overlap:@Overlap "
                 "catch_up:@CatchUp catch_up_within:s| jitter:s| hours:s| timeout:s| retries:i "
                 "paused:b origin:s project:s| created_at:t changed_at:t next_at:t| due_at:t| "
                 "last:@Firing|}"},
    {"ScheduleList", PAGE("@Schedule")},
    {"ScheduleNew", "!{id:s cron:s" SCHEDULE_SETTINGS " paused?:b}"},
    {"ScheduleChange", "!{cron?:s" SCHEDULE_SETTINGS "}"},
    {"Overlap", "(skip queue allow)"},
    {"CatchUp", "(none last all)"},
    {"Firing", "{id:s schedule:s kind:(due manual passed) "
               "state:(waiting running succeeded failed lost skipped missed) nominal_at:t| "
               "until?:t| times:i late:b attempts:i failures:i run:i| started_at:t| ended_at:t| "
               "again_at:t| reason:s}"},
    {"FiringList", PAGE("@Firing")},
    {"FiringAccepted", "{firing:s}"},
    {"CronTimes", "{words:s next:[t]}"},
    /* users, the queue and the replica as their applications know them */
    {"AnyBody", ANYTHING "Ignored: what these callers send along says nothing"},
    {"SyncedUser", "{id:s| email:s| name:s| status:(in_sync local_only supabase_only inconsistent) "
                   "label:s inSync:b local:o| supabase:o| issues:[s] differences:[{field:s "
                   "local:s| supabase:s|}]}"},
    {"UserCounts", "{total:i inSync:i localOnly:i supabaseOnly:i inconsistent:i issues:i "
                   "progress:i localCount:i supabaseCount:i}"},
    {"UserSyncStatus",
     "{success:b summary:@UserCounts users?:[@SyncedUser] truncated?:b isValid?:b "
     "issues?:[s] recommendations?:[s] timestamp:t}"},
    {"UserEdited", "{success:b message:s isValid:b id:s| user:o| run:o timestamp:t}"},
    {"UserSyncRequest", "!{action:s email?:s force?:@Texts}"},
    {"UserSyncResult", "{success:b message:s run?:@Run timestamp:t}"},
    {"SyncSchedule", "{scheduleId:s cron:s timezone:s isPaused:b}"},
    {"SyncCounts", "{total:i processing:i pending:i failed:i}"},
    {"ScheduledSyncStatus",
     "{success:b enabled:b nextRun:t| schedule:@SyncSchedule| isRunning:b jobNumber:i "
     "lastRun:@Run| statistics:{runs:i succeeded:i failed:i successRate:i} "
     "timestamp:t}"},
    {"UserExists", "{success:b exists:{local:b supabase:b} email:s| timestamp:t}"},
    {"SyncQueueStatus",
     "{data:{success:b total:i processing:i pending:i failed:i stats:@SyncCounts} "
     "metadata:{timestamp:t version:s}}"},
    {"SyncHealth",
     "{data:{success:b healthy:b failureRate:n recentFailures:i message:s queue:@SyncCounts "
     "failures:[{eventId:s eventType:s resourceType:s resourceId:s error:s| "
     "retryCount:i timestamp:t|}] failureStats:{totalFailures:i failuresByType:*i "
     "failuresByResource:*i averageRetries:n}} metadata:{timestamp:t version:s}}"},
    {"Fields", "o"},
    {"WrittenEvent", "{id:s type:s}"},
    {"Enrollment", "{" LEARNING " enrolled_at:t|}"},
    {"EnrollmentAnswer", ONE("enrollment", "@Enrollment")},
    {"EnrollmentChange", CHANGED("enrollment", "@Enrollment")},
    {"EnrollmentList", MANY("enrollments", "@Enrollment")},
    {"Profile", "{" RECORD "}"},
    {"ProfileAnswer", ONE("profile", "@Profile")},
    {"ProfileChange", CHANGED("profile", "@Profile")},
    {"Progress", "{" LEARNING "}"},
    {"ProgressAnswer", ONE("progress", "@Progress")},
    {"ProgressChange", CHANGED("progress", "@Progress")},
    {"ProgressList", MANY("progress", "@Progress")},
    {"Student", "{" RECORD "}"},
    {"StudentAnswer", ONE("student", "@Student")},
    {"StudentChange", CHANGED("student", "@Student")},
    {"StudentList", MANY("students", "@Student")},
    {"ReplicaSynced", "{success:b message:s timestamp:t type:(scheduled manual) "
                      "statistics?:{total_records:i sync_completed_at:t} runs?:[@Run]}"},
    {"ReplicaSchedules", "{success:b schedules:[{scheduleId:s cron:s timezone:s destination:s "
                         "isPaused:b status:(paused active) retries:i createdAt:t| lastRun:t| "
                         "lastStatus:s| lastError:s| nextRun:t|}] count:i timestamp:t}"},
    {"ReplicaScheduleRequest", "!{action:s scheduleId?:s "
                               "cron?:s}"},
    {"ReplicaScheduled", "{success:b message:s scheduleId?:s timestamp:t}"},
};
const size_t ls_schema_count = sizeof ls_schemas / sizeof *ls_schemas;
