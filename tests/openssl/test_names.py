"""Each call that OpenSSL's users know by name is there, and constants have OpenSSL's numbers."""

from __future__ import annotations

import pytest

from aiotls import openssl

CALLS = """
SSL_CTX_new TLS_method TLS_client_method TLS_server_method SSL_CTX_free SSL_CTX_up_ref
SSL_CTX_use_certificate_chain_file SSL_CTX_use_certificate SSL_CTX_use_PrivateKey
SSL_CTX_use_PrivateKey_file SSL_CTX_check_private_key SSL_CTX_load_verify_locations
SSL_CTX_set_default_verify_paths SSL_CTX_set_verify SSL_CTX_set_cert_verify_callback
SSL_CTX_set_alpn_protos SSL_CTX_set_alpn_select_cb SSL_CTX_set_tlsext_servername_callback
SSL_CTX_set_cert_cb SSL_CTX_set_client_hello_cb SSL_CTX_set_info_callback
SSL_CTX_set_msg_callback SSL_CTX_set_keylog_callback SSL_CTX_set_min_proto_version
SSL_CTX_set_max_proto_version SSL_CTX_set_ciphersuites SSL_CTX_set_cipher_list
SSL_CTX_set1_groups_list SSL_CTX_set_mode SSL_CTX_set_options SSL_CTX_set_num_tickets
SSL_CTX_set_session_id_context SSL_CTX_set_session_cache_mode SSL_CTX_sess_set_new_cb
SSL_CTX_set_session_ticket_cb SSL_CTX_set_tlsext_ticket_keys
SSL_new SSL_free SSL_up_ref SSL_clear SSL_set_tlsext_host_name SSL_set1_host
SSL_set_connect_state SSL_set_accept_state SSL_is_server SSL_set_retry_verify
BIO_new BIO_s_mem BIO_s_bio BIO_s_socket BIO_new_bio_pair BIO_make_bio_pair BIO_ctrl_pending
BIO_ctrl_get_write_guarantee BIO_ctrl_get_read_request BIO_new_socket BIO_read BIO_write
BIO_should_retry BIO_should_read BIO_should_write BIO_pending BIO_eof BIO_set_mem_eof_return
SSL_set_bio SSL_set_fd SSL_set_rfd SSL_set_wfd SSL_get_fd SSL_get_rbio SSL_get_wbio
SSL_do_handshake SSL_connect SSL_accept SSL_read SSL_read_ex SSL_write SSL_write_ex SSL_peek
SSL_peek_ex SSL_pending SSL_has_pending SSL_shutdown SSL_get_shutdown SSL_set_shutdown
SSL_key_update SSL_get_error SSL_want SSL_want_nothing SSL_want_read SSL_want_write
SSL_want_x509_lookup SSL_want_retry_verify SSL_want_async SSL_want_async_job
SSL_want_client_hello_cb
ERR_get_error ERR_peek_error ERR_clear_error ERR_error_string ERR_GET_REASON ERR_GET_LIB
SSL_get_version SSL_get_current_cipher SSL_CIPHER_get_name SSL_get_peer_certificate
SSL_get_peer_cert_chain SSL_get_verify_result SSL_get0_alpn_selected SSL_get_servername
SSL_in_init SSL_is_init_finished SSL_in_before SSL_get_state SSL_state_string
SSL_state_string_long SSL_get_session SSL_get1_session SSL_set_session SSL_session_reused
SSL_export_keying_material SSL_read_early_data SSL_write_early_data
SSL_get_early_data_status SSL_CTX_sess_set_remove_cb SSL_CTX_set_max_early_data
SSL_get_finished SSL_get_peer_finished SSL_CTX_sess_set_get_cb SSL_CTX_add_session
SSL_CTX_remove_session SSL_verify_client_post_handshake SSL_get_ciphers SSL_get0_peer_certificate
SSL_get_client_random SSL_get_server_random SSL_client_hello_get0_ext
SSL_client_hello_get0_ciphers SSL_client_hello_get1_extensions_present
SSL_alert_desc_string_long SSL_alert_type_string OPENSSL_init_ssl
""".split()

NUMBERS = {
    "SSL_ERROR_NONE": 0,
    "SSL_ERROR_SSL": 1,
    "SSL_ERROR_WANT_READ": 2,
    "SSL_ERROR_WANT_WRITE": 3,
    "SSL_ERROR_WANT_X509_LOOKUP": 4,
    "SSL_ERROR_SYSCALL": 5,
    "SSL_ERROR_ZERO_RETURN": 6,
    "SSL_ERROR_WANT_CONNECT": 7,
    "SSL_ERROR_WANT_ACCEPT": 8,
    "SSL_ERROR_WANT_ASYNC": 9,
    "SSL_ERROR_WANT_ASYNC_JOB": 10,
    "SSL_ERROR_WANT_CLIENT_HELLO_CB": 11,
    "SSL_ERROR_WANT_RETRY_VERIFY": 12,
    "SSL_NOTHING": 1,
    "SSL_WRITING": 2,
    "SSL_READING": 3,
    "SSL_X509_LOOKUP": 4,
    "SSL_ASYNC_PAUSED": 5,
    "SSL_CLIENT_HELLO_CB": 7,
    "SSL_RETRY_VERIFY": 8,
    "SSL_SENT_SHUTDOWN": 1,
    "SSL_RECEIVED_SHUTDOWN": 2,
    "SSL_MODE_ENABLE_PARTIAL_WRITE": 1,
    "SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER": 2,
    "SSL_MODE_AUTO_RETRY": 4,
    "SSL_R_BAD_WRITE_RETRY": 127,
}


@pytest.mark.parametrize("name", CALLS)
def test_the_call_is_there_and_says_what_it_does(name: str) -> None:
    assert getattr(openssl, name).__doc__


@pytest.mark.parametrize("name", NUMBERS)
def test_the_number_is_openssl_3_s(name: str) -> None:
    assert getattr(openssl, name) == NUMBERS[name]
